import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type ConnectionLimits, limitConnections } from './connection-limits.ts';

let server: Server;
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server.close();
});

async function listen(limits: ConnectionLimits): Promise<void> {
  server = createServer();
  limitConnections(server, limits);
  server.on('connection', (socket) => {
    socket.on('error', () => undefined);
    if (!socket.destroyed) socket.write('x');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}

/** @returns whether it was taken in */
async function taken(): Promise<boolean> {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => undefined);
  return Promise.race([once(socket, 'data').then(() => true), once(socket, 'close').then(() => false)]);
}

describe('connections', () => {
  it('of one address are limited, and count until they end', async () => {
    await listen({ connections: 100, perAddress: 3 });
    expect([await taken(), await taken(), await taken(), await taken()]).toEqual([true, true, true, false]);
    sockets[0]?.destroy();
    await expect.poll(taken).toBe(true);
  });

  it('of everybody together are limited in their rate', async () => {
    await listen({ connections: 1_000, perAddress: 1_000, perSecond: 10 });
    const start = performance.now();
    let count = 0;
    for (let tries = 0; tries < 100; tries++) if (await taken()) count += 1;
    expect(count).toBeGreaterThanOrEqual(20);
    expect(count).toBeLessThanOrEqual(20 + 1 + ((performance.now() - start) / 1000) * 10);
  });
});
