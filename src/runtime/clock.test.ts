import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../test/fakes/clock.ts';
import { coarse, onJump } from './clock.ts';

describe('onJump', () => {
  it('hears within a second that the clock was set, forwards or back, and nothing else', async () => {
    const clock = new FakeClock();
    let jumps = 0;
    const watch = onJump(clock, () => {
      jumps += 1;
    });
    await clock.advance(60_000);
    expect(jumps).toBe(0);
    clock.jump(3_600_000);
    await clock.advance(1_000);
    expect(jumps).toBe(1);
    clock.jump(-3_600_000);
    await clock.advance(1_000);
    expect(jumps).toBe(2);
    clock.jump(500);
    await clock.advance(10_000);
    expect(jumps).toBe(2);
    watch[Symbol.dispose]();
    clock.jump(3_600_000);
    await clock.advance(10_000);
    expect(jumps).toBe(2);
  });
});

describe('a wait', () => {
  it('R-NET-1 is one of few, so that a caller with ever new deadlines fills nothing; never shorter than asked for', () => {
    const waits = new Set<number>();
    for (let ms = 0; ms < 2_000_000; ms += 7) {
      const wait = coarse(ms);
      expect(wait >= ms && wait <= Math.max(1, ms) * (1 + 1 / 32)).toBe(true);
      waits.add(wait);
    }
    expect(waits.size).toBeLessThan(1_000);
    expect([0, 1, 31, 63].map(coarse)).toEqual([0, 1, 31, 63]);
  });
});
