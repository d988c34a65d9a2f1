import { once } from 'node:events';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { FakeCa } from '../../test/fakes/ca.ts';
import { closeAll, closeLater, listen, workload } from '../../test/fakes/tls-scene.ts';
import { authorizeAny } from './authorize.ts';
import { peerId } from './peer.ts';
import { tlsClientOptions } from './tls-client.ts';
import { tlsServerOptions } from './tls-server.ts';

const ca = new FakeCa('example.org');
const below = new FakeCa('example.org', ca);
const server = below.issue('/server');
const client = below.issue('/client');

afterEach(closeAll);

/** Both ends of one connection, as their listeners see them. */
async function connected(): Promise<{ atServer: TLSSocket; atClient: TLSSocket }> {
  const options = tlsServerOptions((await workload(server, [ca])).source, authorizeAny());
  const tlsServer = options.attach(createServer(options));
  const port = await listen(tlsServer);
  const { source } = await workload(client, [ca]);
  const atClient = connect({ port, host: '127.0.0.1', ...tlsClientOptions(source, authorizeAny()) });
  const [[atServer]] = await Promise.all([once(tlsServer, 'secureConnection'), once(atClient, 'secureConnect')]);
  for (const socket of [atClient, atServer as TLSSocket]) closeLater(() => socket.destroy());
  return { atServer: atServer as TLSSocket, atClient };
}

describe('peerId', () => {
  const readings: readonly [string, (socket: TLSSocket) => unknown][] = [
    ['getPeerX509Certificate', (socket) => socket.getPeerX509Certificate()],
    ['getPeerX509Certificate, twice', (socket) => [socket.getPeerX509Certificate(), socket.getPeerX509Certificate()]],
    ['getPeerCertificate', (socket) => socket.getPeerCertificate(true)],
    ['peerId', peerId],
  ];

  it.each(readings)('says who the peer is, whatever was read of it before: %s', async (_what, read) => {
    const { atServer, atClient } = await connected();
    read(atServer);
    read(atClient);
    expect([peerId(atServer), peerId(atClient)]).toEqual([client.id, server.id]);
    expect([peerId(atServer), peerId(atClient)]).toEqual([client.id, server.id]);
  });

  it('leaves the certificate of the peer to be read by others', async () => {
    const { atServer, atClient } = await connected();
    for (const socket of [atServer, atClient]) peerId(socket);
    expect(atServer.getPeerX509Certificate()?.subjectAltName).toBe(`URI:${client.id}`);
    expect(atClient.getPeerX509Certificate()?.subjectAltName).toBe(`URI:${server.id}`);
  });

  it('knows nobody at a connection that is not authorized', async () => {
    const { atServer } = await connected();
    const denied = { code: 'permission-denied', message: 'The peer of this connection is not authorized.' };
    atServer.authorized = false;
    expect(() => peerId(atServer)).toThrow(expect.objectContaining(denied));
  });
});
