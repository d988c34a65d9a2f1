import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bareCaller, type Caller } from './callers.ts';
import { type Mayfly, startMayfly, until } from './fixture.ts';
import { decodeX509SvidResponse } from './wire.ts';
import type { Stream } from './workload.ts';

const id = (name: string): string => `spiffe://example.org/${name}`;
const callers = 200;

let mayfly: Mayfly;
beforeAll(async () => {
  mayfly = await startMayfly();
});
afterAll(() => mayfly[Symbol.asyncDispose]());

const descriptors = (): number => readdirSync(`/proc/${mayfly.pid}/fd`).length;

describe('many callers', () => {
  it('WA-09 WA-10 two hundred processes hold streams and each gets its own identity', async () => {
    const uids = Array.from({ length: callers }, (_, index) => 20_000 + index);
    await mayfly.operator.createAll(uids.map((uid) => ({ spiffeId: id(`w-${uid}`), selectors: [`unix:uid:${uid}`] })));
    const held: Caller[] = [];
    try {
      for (const uid of uids) held.push(bareCaller(mayfly, uid));
      const lines = await Promise.all(held.map((caller) => caller.line(0, 20_000)));
      expect(lines).toEqual(uids.map((uid) => id(`w-${uid}`)));
      expect((await mayfly.operator.status()).openStreams).toBeGreaterThanOrEqual(callers);
      expect(held.flatMap((caller) => caller.lines)).toHaveLength(callers);
    } finally {
      for (const caller of held) caller.kill();
    }
    await until('every stream is gone', async () => (await mayfly.operator.status()).openStreams === 0);
  });

  it('WA-33 a thousand streams opened and cancelled leave nothing behind', async () => {
    await mayfly.operator.create({ spiffeId: id('restless'), selectors: ['unix:uid:10001'] });
    const workload = await mayfly.workload(10001);
    await workload.x509();
    const before = descriptors();
    for (let round = 0; round < 20; round++) {
      const streams: Stream[] = Array.from({ length: 50 }, () => workload.open('FetchX509SVID'));
      await Promise.all(streams.map((stream) => stream.next(10_000)));
      for (const stream of streams) stream.cancel();
      await Promise.all(streams.map((stream) => stream.ended()));
    }
    await until('every stream is gone', async () => (await mayfly.operator.status()).openStreams === 0);
    expect(descriptors()).toBeLessThanOrEqual(before + 2);
  });

  it('R-RES-1 fifty processes that were served and are gone leave no descriptor behind', async () => {
    const uids = Array.from({ length: 50 }, (_, index) => 30_000 + index);
    await mayfly.operator.createAll(
      uids.map((uid) => ({ spiffeId: id(`gone-${uid}`), selectors: [`unix:uid:${uid}`] })),
    );
    const before = descriptors();
    const served = uids.map((uid) => bareCaller(mayfly, uid));
    await Promise.all(served.map((caller) => caller.line(0, 20_000)));
    expect(descriptors()).toBeGreaterThan(before + 50);
    for (const caller of served) caller.kill();
    await until('every descriptor is given back', async () => descriptors() <= before + 2);
  });

  it('WA-34 fifty identities for one process fit in one message', async () => {
    const drafts = Array.from({ length: 50 }, (_, index) => ({
      spiffeId: id(`${'long/'.repeat(20)}${index}`),
      selectors: ['unix:uid:10002'],
      hint: `${index}`.padStart(200, 'h'),
    }));
    await mayfly.operator.createAll(drafts);
    const stream = (await mayfly.workload(10002)).open('FetchX509SVID');
    const message = await stream.next(10_000);
    expect(decodeX509SvidResponse(message).svids.map((svid) => svid.spiffeId)).toEqual(
      drafts.map((draft) => draft.spiffeId),
    );
    expect(message.length).toBeLessThan(4 * 1024 * 1024);
  });
});
