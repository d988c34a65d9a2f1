import { readdirSync } from 'node:fs';
import net from 'node:net';
import { describe, expect, it } from 'vitest';
import { letDie } from '../attack/dying.ts';
import { first, startMayfly, until } from './fixture.ts';

const spiffeId = 'spiffe://example.org/web';

describe('descriptors', () => {
  it('R-RES-1 are all given back by connections that die at any point of their life', async () => {
    await using mayfly = await startMayfly();
    const dead = await letDie(mayfly, 4_000);
    expect(dead.connections).toBeGreaterThanOrEqual(4_000);
    expect(dead.after).toBeLessThanOrEqual(dead.before + 5);
    await mayfly.operator.create({ spiffeId, selectors: ['unix:uid:10001'] });
    expect(first((await (await mayfly.workload(10001)).x509()).svids).spiffeId).toBe(spiffeId);
  });

  it('R-RES-1 may run short (RLIMIT_NOFILE=256): who is served stays served, others still are, who wants most gets no more', async () => {
    await using mayfly = await startMayfly({ prefix: ['prlimit', '--nofile=256:256'] });
    await mayfly.operator.create({ spiffeId, selectors: ['unix:uid:10001'] });
    const stream = (await mayfly.workload(10001)).open('FetchX509SVID');
    await stream.next();
    let cut = 0;
    const connect = (): net.Socket => {
      const socket = net.connect(mayfly.socket).on('error', () => undefined);
      return socket.once('close', () => cut++).resume();
    };
    const crowd = Array.from({ length: 600 }, connect);
    const open = (): number => readdirSync(`/proc/${mayfly.pid}/fd`).length;
    await until('no more of them are let in', () => cut > 350, 60_000);
    expect(open()).toBeGreaterThan(150);
    await mayfly.operator.create({ spiffeId: `${spiffeId}-too`, selectors: ['unix:uid:10001'] });
    await stream.next();
    // A tenth of them is kept for mayfly itself, and who holds most makes room for who comes with one.
    await mayfly.operator.create({ spiffeId: `${spiffeId}-third`, selectors: ['unix:uid:10003'] });
    expect((await (await mayfly.workload(10003)).x509()).svids).toHaveLength(1);
    expect(open()).toBeLessThan(245);
    for (const one of crowd) one.destroy();
    await until('they are given back', () => open() < 100, 15_000);
    await mayfly.operator.create({ spiffeId: 'spiffe://example.org/late', selectors: ['unix:uid:10002'] });
    expect((await (await mayfly.workload(10002)).x509()).svids).toHaveLength(1);
    expect(mayfly.process.exitCode).toBeNull();
  });
});
