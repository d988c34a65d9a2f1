import { describe, expect, it } from 'vitest';
import { TokenBucket } from './token-bucket.ts';

const limit = { most: 3, perSecond: 2 };

describe('a token bucket', () => {
  it('gives what it has, and then as much as comes back', () => {
    const bucket = new TokenBucket(limit, 0);
    expect([0, 0, 0, 0].map((at) => bucket.take(at))).toEqual([true, true, true, false]);
    expect([499, 500, 501, 1_000].map((at) => bucket.take(at))).toEqual([false, true, false, true]);
  });

  it('never holds more than it may', () => {
    const bucket = new TokenBucket(limit, 0);
    expect([9e9, 9e9, 9e9, 9e9].map((at) => bucket.take(at))).toEqual([true, true, true, false]);
  });

  it('knows when it is as good as new', () => {
    const bucket = new TokenBucket(limit, 0);
    expect(bucket.isFull(0)).toBe(true);
    bucket.take(0);
    expect([0, 499, 500].map((at) => bucket.isFull(at))).toEqual([false, false, true]);
  });

  it('gives nothing for a clock that goes back', () => {
    const bucket = new TokenBucket({ most: 1, perSecond: 1 }, 1_000);
    expect([1_000, 0, 500].map((at) => bucket.take(at))).toEqual([true, false, false]);
  });
});
