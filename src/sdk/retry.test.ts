import { describe, expect, it } from 'vitest';
import { Backoff } from './retry.ts';

const random = (fraction: number) => ({ bytes: Buffer.alloc, uuid: () => '', fraction: () => fraction });

describe('pauses between attempts', () => {
  it('EP-25 grow by a second, are jittered, and never pass thirty seconds', () => {
    const [low, high] = [new Backoff(random(0)), new Backoff(random(0.999))];
    const pauses = Array.from({ length: 40 }, () => [low.delayMs(false, 0), high.delayMs(false, 0)]);
    expect(pauses.slice(0, 3)).toEqual([
      [1_000, 1_999],
      [2_000, 2_999],
      [3_000, 3_999],
    ]);
    expect(pauses.at(-1)).toEqual([29_000, 29_999]);
  });

  it('EP-25 begin anew after a message', () => {
    const backoff = new Backoff(random(0));
    backoff.delayMs(false, 0);
    backoff.delayMs(false, 0);
    backoff.reset();
    expect(backoff.delayMs(false, 0)).toBe(1_000);
  });

  it('WA-17 are none for a stream that worked and was cut, yet a server that cuts every stream is not stormed', () => {
    const backoff = new Backoff(random(0));
    expect(backoff.delayMs(true, 5_000)).toBe(0);
    expect(backoff.delayMs(true, 5_010)).toBe(1_000);
    backoff.reset();
    expect(backoff.delayMs(true, 6_010)).toBe(0);
  });
});
