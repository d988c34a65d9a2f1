import { once } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import { type Agent, createServer, get } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { type ConnectionOptions, connect, type TLSSocket, type Server as TlsServer } from 'node:tls';
import { type Authorize, authorizeAny } from '../../src/sdk/authorize.ts';
import { peerId } from '../../src/sdk/peer.ts';
import { createAgent } from '../../src/sdk/tls-client.ts';
import { tlsServerOptions } from '../../src/sdk/tls-server.ts';
import { FakeWorkload } from './workload.ts';

/** Workloads, servers and agents that a test opened; closed in the opposite order after it. */
const opened: (() => unknown)[] = [];

export async function closeAll(): Promise<void> {
  for (const close of opened.splice(0).reverse()) await close();
}

export const closeLater = (close: () => unknown): void => void opened.push(close);

export async function workload(...state: Parameters<typeof FakeWorkload.start>): Promise<FakeWorkload> {
  const started = await FakeWorkload.start(...state);
  opened.push(() => started[Symbol.asyncDispose]());
  return started;
}

/** An HTTPS server that answers with the identity of whoever asks, and remembers what it heard. */
export async function serve({ source }: FakeWorkload, authorize: Authorize = authorizeAny(), hold = Promise.resolve()) {
  const options = tlsServerOptions(source, authorize);
  const asked: string[] = [];
  const refused: Error[] = [];
  const https = createServer(options, async (request, response) => {
    const peer = peerId(request.socket as TLSSocket);
    asked.push(peer);
    await hold;
    response.end(peer);
  });
  https.on('tlsClientError', (error) => refused.push(error));
  const port = await listen(options.attach(https));
  return { port, asked, refused, https };
}

export async function listen(https: HttpServer | TlsServer): Promise<number> {
  https.listen(0, '127.0.0.1');
  await once(https, 'listening');
  opened.push(() => {
    if ('closeAllConnections' in https) https.closeAllConnections();
    https.close();
  });
  return (https.address() as AddressInfo).port;
}

export function agentOf({ source }: FakeWorkload, authorize: Authorize = authorizeAny()): Agent {
  const agent = createAgent(source, authorize);
  opened.push(() => agent.destroy());
  return agent;
}

/** One request; gives the body, and the identity and the local port of the connection that carried it. */
export async function ask(port: number, agent: Agent, host = '127.0.0.1') {
  const { promise, resolve, reject } = Promise.withResolvers<{ body: string; server: string; via: number }>();
  get({ port, host, agent }, async (response) => {
    const socket = response.socket as TLSSocket;
    const [server, via] = [peerId(socket), socket.localPort ?? 0];
    resolve({ body: await text(response), server, via });
  }).on('error', reject);
  return await promise;
}

/** A handshake by Node's own means: resolves when the server has said something, rejects when it hung up. */
export async function knock(
  port: number,
  options: ConnectionOptions,
): Promise<{ reused: boolean; session: Buffer | undefined }> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
  let session: Buffer | undefined;
  socket.on('session', (ticket) => {
    session = ticket;
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.on('error', reject).on('end', () => reject(new Error('the server hung up')));
  socket.once('data', () => resolve());
  socket.once('secureConnect', () => socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'));
  try {
    await promise;
    return { reused: socket.isSessionReused(), session };
  } finally {
    socket.destroy();
  }
}
