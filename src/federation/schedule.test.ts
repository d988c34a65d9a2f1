import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Outcome, pauseMs } from './schedule.ts';

const usual: Outcome = { hintSeconds: 60, known: true, failures: 0, floorMs: 10_000 };
const pause = (more: Partial<Outcome> = {}, fraction = 0): number => pauseMs({ ...usual, ...more }, fraction);

describe('a bundle endpoint is asked again', () => {
  it('FD-27 at the refresh hint, never later, and up to a tenth earlier', () => {
    expect([pause(), pause({}, 1)]).toEqual([60_000, 54_000]);
  });

  it('FD-28 after five minutes without a hint, not before the floor, and within an hour', () => {
    expect(pause({ hintSeconds: undefined })).toBe(300_000);
    expect(pause({ hintSeconds: 1 })).toBe(10_000);
    expect(pause({ hintSeconds: 1, floorMs: 1_000 })).toBe(1_000);
    expect(pause({ hintSeconds: 2 ** 40 })).toBe(3_600_000);
  });

  it('FD-29 at the next interval after a failure, then at twice that and four times and no more', () => {
    expect([1, 2, 3, 4, 5, 99].map((failures) => pause({ failures }))).toEqual([
      60_000, 120_000, 240_000, 480_000, 480_000, 480_000,
    ]);
  });

  it('sooner while nothing is known, because nobody there can be believed yet', () => {
    expect([1, 2, 3, 99].map((failures) => pause({ known: false, failures }))).toEqual([
      10_000, 20_000, 40_000, 320_000,
    ]);
  });

  it('BF-10 within floor and ceiling, whatever it hints and however often it failed', () => {
    const outcome = fc.record({
      hintSeconds: fc.option(fc.maxSafeNat(), { nil: undefined }),
      known: fc.boolean(),
      failures: fc.nat(),
      floorMs: fc.integer({ min: 1_000, max: 10_000_000 }),
    });
    fc.assert(
      fc.property(outcome, fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), (given, fraction) => {
        const ms = pauseMs(given, fraction);
        expect(ms).toBeGreaterThanOrEqual(given.floorMs * 0.9);
        expect(ms).toBeLessThanOrEqual(Math.max(3_600_000, given.floorMs));
      }),
    );
  });
});
