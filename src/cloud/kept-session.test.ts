import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../test/fakes/clock.ts';
import { IdentityError } from '../errors.ts';
import { KeptSession } from './kept-session.ts';

const minute = 60_000;
const random = { fraction: () => 0, uuid: () => '', bytes: () => Buffer.alloc(0) };
const away = new IdentityError('unavailable', 'STS is away');

function scene(lifeMs = 60 * minute) {
  const clock = new FakeClock();
  const failures: unknown[] = [];
  const waiting: PromiseWithResolvers<void>[] = [];
  const state = { asked: 0, trouble: undefined as IdentityError | undefined, slow: false };
  const obtain = async () => {
    const number = ++state.asked;
    if (state.slow) {
      const gate = Promise.withResolvers<void>();
      waiting.push(gate);
      await gate.promise;
    }
    if (state.trouble !== undefined) throw state.trouble;
    return { number, expiresAt: clock.now() + lifeMs };
  };
  const kept = new KeptSession({ obtain, clock, random, failed: (error) => failures.push(error) });
  return { kept, clock, state, failures, go: () => waiting.splice(0).forEach((gate) => void gate.resolve()) };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a session that is kept', () => {
  it('is asked for once, however many want it at once', async () => {
    const { kept, state, go } = scene();
    state.slow = true;
    const all = Array.from({ length: 50 }, () => kept.get());
    await turn();
    go();
    expect(new Set((await Promise.all(all)).map(({ number }) => number))).toEqual(new Set([1]));
    expect(state.asked).toBe(1);
  });

  it('is renewed twenty minutes before its end, behind the back of those who ask, and never served when it has ended', async () => {
    const { kept, clock, state } = scene();
    await kept.get();
    await clock.advance(39 * minute);
    await kept.get();
    expect(state.asked).toBe(1);
    await clock.advance(2 * minute);
    expect((await kept.get()).number).toBe(1);
    await turn();
    expect((await kept.get()).number).toBe(2);
    await clock.advance(61 * minute);
    expect((await kept.get()).number).toBe(3);
  });

  it('that is short is renewed at half of its life', async () => {
    const { kept, clock, state } = scene(15 * minute);
    await kept.get();
    await clock.advance(7 * minute);
    await kept.get();
    expect(state.asked).toBe(1);
    await clock.advance(minute);
    await kept.get();
    expect(state.asked).toBe(2);
  });

  it('is served to its end where a renewal fails, which is told and tried again with growing pauses', async () => {
    const { kept, clock, state, failures } = scene();
    await kept.get();
    state.trouble = away;
    await clock.advance(41 * minute);
    for (let second = 0; second < 60; second++) {
      expect((await kept.get()).number).toBe(1);
      await turn();
      await clock.advance(1_000);
    }
    expect(failures.length).toBeGreaterThan(3);
    expect(failures.length).toBeLessThan(8);
    await clock.advance(20 * minute);
    await expect(kept.get()).rejects.toBe(away);
    state.trouble = undefined;
    await clock.advance(2 * minute);
    expect((await kept.get()).number).toBeGreaterThan(1);
  });

  it('is not asked for again at once where it was refused: whoever polls us does not make us poll STS', async () => {
    const { kept, state, clock } = scene();
    state.trouble = away;
    for (let n = 0; n < 20; n++) await expect(kept.get()).rejects.toBe(away);
    expect(state.asked).toBe(1);
    await clock.advance(1_001);
    await expect(kept.get()).rejects.toBe(away);
    expect(state.asked).toBe(2);
  });
});

describe('an identity that is withdrawn', () => {
  const withdrawn = new IdentityError('permission-denied', 'no identity issued');

  it('takes the session with it, also one that is just arriving, until it is back', async () => {
    const { kept, state, go } = scene();
    expect((await kept.get()).number).toBe(1);
    kept.withdraw(withdrawn);
    await expect(kept.get()).rejects.toBe(withdrawn);
    kept.restore();
    state.slow = true;
    const late = kept.get();
    await turn();
    kept.withdraw(withdrawn);
    go();
    await expect(late).rejects.toBe(withdrawn);
    kept.restore();
    state.slow = false;
    expect((await kept.get()).number).toBe(3);
  });
});
