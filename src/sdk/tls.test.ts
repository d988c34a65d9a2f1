import { connect as connectHttp2, createSecureServer } from 'node:http2';
import { text } from 'node:stream/consumers';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { FakeCa } from '../../test/fakes/ca.ts';
import { agentOf, ask, closeAll, listen, serve, workload } from '../../test/fakes/tls-scene.ts';
import { authorizeAny, authorizeId, authorizeMemberOf } from './authorize.ts';
import { peerId } from './peer.ts';
import { tlsClientOptions } from './tls-client.ts';
import { tlsServerOptions } from './tls-server.ts';

const ca = new FakeCa('example.org');
const foreign = new FakeCa('other.org');
const server = ca.issue('/server');
const client = ca.issue('/client');

afterEach(closeAll);

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
    const port = await listen(options.attach(createServer(options, (socket) => socket.end(peerId(socket)))));
    const { source } = await workload(client, [ca]);
    const socket = connect({ port, host: '127.0.0.1', ...tlsClientOptions(source, authorizeId(server.id)) });
    expect(await text(socket)).toBe(client.id);
  });
});

describe('HTTP/2 between two workloads', () => {
  it('is carried by the same options', async () => {
    const options = tlsServerOptions((await workload(server, [ca])).source, authorizeId(client.id));
    const http2 = createSecureServer(options);
    http2.on('stream', (stream) => stream.end(peerId(stream.session?.socket as TLSSocket)));
    const port = await listen(options.attach(http2));
    const { source } = await workload(client, [ca]);
    const session = connectHttp2(`https://127.0.0.1:${port}`, tlsClientOptions(source, authorizeId(server.id)));
    expect(await text(session.request({ ':path': '/' }))).toBe(client.id);
    session.close();
  });
});
