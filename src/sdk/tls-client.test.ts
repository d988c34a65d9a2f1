import { createServer, get } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { FakeCa, type Issued, pemOf } from '../../test/fakes/ca.ts';
import { eventually } from '../../test/fakes/eventually.ts';
import { agentOf, ask, closeAll, closeLater, listen, serve, workload } from '../../test/fakes/tls-scene.ts';
import { authorizeAny, authorizeId } from './authorize.ts';
import { createAgent } from './tls-client.ts';

const ca = new FakeCa('example.org');
const foreign = new FakeCa('other.org');
const server = ca.issue('/server');
const client = ca.issue('/client');

afterEach(closeAll);

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
    closeLater(() => agent.destroy());
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
