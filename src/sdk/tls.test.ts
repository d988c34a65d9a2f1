import { once } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import { type Agent, createServer, get } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { type ConnectionOptions, connect, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { FakeCa, type Issued, pemOf } from '../../test/fakes/ca.ts';
import { eventually } from '../../test/fakes/eventually.ts';
import { FakeWorkload } from '../../test/fakes/workload.ts';
import { type Authorize, authorizeAny, authorizeId, authorizeIf, authorizeMemberOf } from './authorize.ts';
import { peerId } from './peer.ts';
import { createAgent, tlsClientOptions } from './tls-client.ts';
import { tlsServerOptions } from './tls-server.ts';

const ca = new FakeCa('example.org');
const foreign = new FakeCa('other.org');
const server = ca.issue('/server');
const client = ca.issue('/client');

afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

const opened: (() => unknown)[] = [];

async function workload(...state: Parameters<typeof FakeWorkload.start>): Promise<FakeWorkload> {
  const started = await FakeWorkload.start(...state);
  opened.push(() => started[Symbol.asyncDispose]());
  return started;
}

/** An HTTPS server that answers with the identity of whoever asks, and remembers what it heard. */
async function serve({ source }: FakeWorkload, authorize: Authorize = authorizeAny(), hold = Promise.resolve()) {
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

async function listen(https: HttpServer | ReturnType<typeof createTlsServer>): Promise<number> {
  https.listen(0, '127.0.0.1');
  await once(https, 'listening');
  opened.push(() => {
    if ('closeAllConnections' in https) https.closeAllConnections();
    https.close();
  });
  return (https.address() as AddressInfo).port;
}

function agentOf({ source }: FakeWorkload, authorize: Authorize = authorizeAny()): Agent {
  const agent = createAgent(source, authorize);
  opened.push(() => agent.destroy());
  return agent;
}

/** One request; gives the body, and the identity and the local port of the connection that carried it. */
async function ask(port: number, agent: Agent, host = '127.0.0.1') {
  const { promise, resolve, reject } = Promise.withResolvers<{ body: string; server: string; via: number }>();
  get({ port, host, agent }, async (response) => {
    const socket = response.socket as TLSSocket;
    const [server, via] = [peerId(socket), socket.localPort ?? 0];
    resolve({ body: await text(response), server, via });
  }).on('error', reject);
  return await promise;
}

/** A handshake by Node's own means: resolves when the server has said something, rejects when it hung up. */
async function knock(
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

describe('TLS between two workloads', () => {
  it.each(['127.0.0.1', 'localhost'])('shows each the identity of the other, when asked for as %s', async (host) => {
    const { port } = await serve(await workload(server, [ca]), authorizeId(client.id));
    const agent = agentOf(await workload(client, [ca]), authorizeId(server.id));
    expect(await ask(port, agent, host)).toMatchObject({ body: client.id, server: server.id });
  });

  it('works through an intermediate authority', async () => {
    const below = new FakeCa('example.org', ca);
    const { port } = await serve(await workload(below.issue('/server'), [ca]));
    const agent = agentOf(await workload(below.issue('/client'), [ca]));
    expect(await ask(port, agent)).toMatchObject({ body: client.id, server: server.id });
  });

  it('works between trust domains that federate', async () => {
    const { port } = await serve(await workload(server, [ca], [foreign]), authorizeMemberOf('other.org'));
    const agent = agentOf(await workload(foreign.issue('/client'), [foreign], [ca]), authorizeMemberOf('example.org'));
    expect(await ask(port, agent)).toMatchObject({ body: 'spiffe://other.org/client', server: server.id });
  });

  it('carries bare tls.connect and tls.createServer as well', async () => {
    const options = tlsServerOptions((await workload(server, [ca])).source, authorizeAny());
    const port = await listen(options.attach(createTlsServer(options, (socket) => socket.end(peerId(socket)))));
    const { source } = await workload(client, [ca]);
    const socket = connect({ port, host: '127.0.0.1', ...tlsClientOptions(source, authorizeId(server.id)) });
    expect(await text(socket)).toBe(client.id);
  });
});

describe('a server', () => {
  it('rotates while it runs: new connections meet the newest SVID and roots, with both roots in between', async () => {
    const next = new FakeCa('example.org');
    const mine = await workload(server, [ca]);
    const { port } = await serve(mine);
    const old = agentOf(await workload(client, [ca, next]));
    const renewed = agentOf(await workload(next.issue('/client'), [ca, next]));
    await ask(port, old);
    await expect(ask(port, renewed)).rejects.toThrow();

    await mine.rotate(next.issue('/renewed'), [ca, next]);
    old.destroy();
    expect(await ask(port, old)).toMatchObject({ server: 'spiffe://example.org/renewed' });
    expect(await ask(port, renewed)).toMatchObject({ server: 'spiffe://example.org/renewed' });

    await mine.rotate(next.issue('/renewed'), [next]);
    old.destroy();
    await expect(ask(port, old)).rejects.toThrow();
    await ask(port, renewed);
  });

  const impostor = ca.issue('/x', { uris: ['spiffe://other.org/client'] });
  const strangers: readonly [string, Issued][] = [
    ['of a trust domain without a bundle', new FakeCa('stranger.org').issue('/client')],
    ['whose trust domain is another than its root, though both are known', impostor],
    ["that presents the authority's own certificate", ca.itself()],
    ['with two SPIFFE IDs', ca.issue('/x', { uris: [client.id, server.id] })],
    ['with none', ca.issue('/x', { uris: ['https://example.org/client'] })],
    ['that has expired', ca.issue('/client', { notBefore: Date.now() - 9_000, notAfter: Date.now() - 5_000 })],
  ];

  it.each(strangers)('WA-23 XC-20 refuses a peer %s, before its first byte', async (_who, stranger) => {
    const { port, asked } = await serve(await workload(server, [ca], [foreign]));
    await expect(knock(port, pemOf(stranger))).rejects.toThrow();
    expect(asked).toEqual([]);
  });

  it('refuses a peer without a certificate', async () => {
    const { port, asked } = await serve(await workload(server, [ca]));
    await expect(knock(port, {})).rejects.toThrow();
    expect(asked).toEqual([]);
  });

  it('refuses a peer that is not authorized, tells the operator, and no listener sees it', async () => {
    const { port, asked, refused, https } = await serve(await workload(server, [ca]), authorizeId(server.id));
    const seen: unknown[] = [];
    https.prependListener('secureConnection', (socket) => seen.push(socket));
    await expect(ask(port, agentOf(await workload(client, [ca])))).rejects.toThrow();
    await eventually('the error', () => refused.length > 0);
    expect(refused[0]).toMatchObject({ code: 'permission-denied', message: 'The peer is not authorized.' });
    expect([asked, seen]).toEqual([[], []]);
  });

  it('refuses a peer when the predicate fails', async () => {
    const broken = authorizeIf(() => {
      throw new Error('directory is away');
    });
    const { port, asked } = await serve(await workload(server, [ca]), broken);
    await expect(knock(port, pemOf(client))).rejects.toThrow();
    expect(asked).toEqual([]);
  });

  it('SE-21 resumes no session, so that a revoked peer cannot come back by one', async () => {
    const mine = await workload(server, [ca], [foreign]);
    const { port } = await serve(mine);
    const peer = foreign.issue('/client');
    const { session } = await knock(port, pemOf(peer));
    const again = await knock(port, { ...pemOf(peer), ...(session && { session }) });
    expect(again.reused).toBe(false);
    await mine.rotate(server, [ca]);
    await expect(knock(port, { ...pemOf(peer), ...(session && { session }) })).rejects.toThrow();
  });

  it('SE-21 speaks no TLS before 1.3', async () => {
    const { port } = await serve(await workload(server, [ca]));
    await expect(knock(port, { ...pemOf(client), maxVersion: 'TLSv1.2' })).rejects.toThrow(/version/);
  });

  it('asks again about open connections when a bundle changes', async () => {
    const mine = await workload(server, [ca], [foreign]);
    const { port } = await serve(mine);
    const { source } = await workload(foreign.issue('/client'), [foreign], [ca]);
    const stays = connect({
      port,
      host: '127.0.0.1',
      ...pemOf(client),
      ca: pemOf(ca.itself()).cert,
      checkServerIdentity: () => undefined,
    });
    const goes = connect({ port, host: '127.0.0.1', ...tlsClientOptions(source, authorizeAny()) });
    for (const socket of [stays, goes]) socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await Promise.all([once(stays, 'data'), once(goes, 'data')]);
    await mine.rotate(server, [ca]);
    await once(goes, 'close');
    stays.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(stays, 'data');
    stays.destroy();
  });

  it('refuses everybody until it is attached', async () => {
    const { source } = await workload(server, [ca]);
    const port = await listen(
      createServer(tlsServerOptions(source, authorizeAny()), (_, response) => response.end('hi')),
    );
    await expect(knock(port, pemOf(client))).rejects.toThrow();
  });

  it('WA-26 refuses everybody while its identity is withdrawn', async () => {
    const mine = await workload(server, [ca]);
    const { port } = await serve(mine);
    const agent = agentOf(await workload(client, [ca]));
    await mine.withdraw();
    await expect(ask(port, agent)).rejects.toThrow();
    await mine.rotate(server, [ca]);
    await ask(port, agent);
  });
});

describe('a client', () => {
  const never = { code: 'permission-denied', message: 'The peer is not authorized.' };

  it('refuses a server that is not authorized', async () => {
    const { port, asked } = await serve(await workload(server, [ca]));
    const agent = agentOf(await workload(client, [ca]), authorizeId(client.id));
    await expect(ask(port, agent)).rejects.toMatchObject(never);
    expect(asked).toEqual([]);
  });

  const servers: readonly [string, Issued][] = [
    ['of a trust domain without a bundle', new FakeCa('stranger.org').issue('/server')],
    ['whose trust domain is another than its root', ca.issue('/x', { uris: ['spiffe://other.org/server'] })],
    ["that presents the authority's own certificate", ca.itself()],
  ];

  it.each(servers)('WA-23 XC-20 refuses a server %s', async (_who, presented) => {
    const port = await listen(createServer(pemOf(presented), (_, response) => response.end('hi')));
    await expect(ask(port, agentOf(await workload(client, [ca], [foreign])))).rejects.toThrow();
  });

  it('goes on using a connection until a rotation, and then opens one by the newest SVID', async () => {
    const { port } = await serve(await workload(server, [ca]));
    const mine = await workload(client, [ca]);
    const agent = agentOf(mine);
    const [one, two] = [await ask(port, agent), await ask(port, agent)];
    expect(two.via).toBe(one.via);
    await mine.rotate(ca.issue('/renewed'), [ca]);
    const three = await ask(port, agent);
    expect(three.via).not.toBe(one.via);
    expect(three.body).toBe('spiffe://example.org/renewed');
  });

  it('gives a connection of the older identity to no request that waited for it', async () => {
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const { port, asked } = await serve(await workload(server, [ca]), authorizeAny(), held);
    const mine = await workload(client, [ca]);
    const agent = createAgent(mine.source, authorizeAny(), { maxSockets: 1 });
    opened.push(() => agent.destroy());
    const both = [ask(port, agent), ask(port, agent)];
    await eventually('the first request', () => asked.length === 1);
    await mine.rotate(ca.issue('/renewed'), [ca]);
    release();
    expect((await Promise.all(both)).map(({ body }) => body)).toEqual([client.id, 'spiffe://example.org/renewed']);
  });

  it('WA-26 fails a request, and throws nothing, while its identity is withdrawn', async () => {
    const { port } = await serve(await workload(server, [ca]));
    const mine = await workload(client, [ca]);
    const agent = agentOf(mine);
    await ask(port, agent);
    await mine.withdraw();
    await expect(ask(port, agent)).rejects.toMatchObject({ code: 'permission-denied' });
  });

  it('SE-21 resumes no session, whose server would not be asked who it is', async () => {
    const mine = await workload(server, [ca]);
    const port = await listen(createServer(pemOf(server), (_, response) => response.end('hi')));
    const agent = agentOf(mine);
    const first = await ask(port, agent);
    for (const socket of Object.values(agent.freeSockets).flat()) socket?.destroy();
    const { promise, resolve } = Promise.withResolvers<boolean>();
    get({ port, host: '127.0.0.1', agent }, (response) => {
      resolve((response.socket as TLSSocket).isSessionReused());
      response.resume();
    });
    expect(first.server).toBe(server.id);
    expect(await promise).toBe(false);
  });
});
