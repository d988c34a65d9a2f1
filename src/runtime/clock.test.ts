import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../test/fakes/clock.ts';
import { onJump } from './clock.ts';

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
