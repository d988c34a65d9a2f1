import type { Random } from '../runtime/random.ts';

const stepMs = 1_000;
const longestMs = 30_000;

/**
 * When to knock again: after 1 s, 2 s … 30 s, each with up to a second of jitter. A stream that worked and was cut is
 * opened again at once, but only once a second, so that a server which cuts every stream is not stormed.
 */
export class Backoff {
  readonly #random: Random;
  #failures = 0;
  #reopenedAt = Number.NEGATIVE_INFINITY;

  constructor(random: Random) {
    this.#random = random;
  }

  /** A message arrived. */
  reset(): void {
    this.#failures = 0;
  }

  /** `cut`: the stream had worked, and ended without a refusal. */
  delayMs(cut: boolean, at: number): number {
    if (cut && at - this.#reopenedAt >= stepMs) {
      this.#reopenedAt = at;
      return 0;
    }
    this.#failures += 1;
    return Math.min(this.#failures * stepMs, longestMs - stepMs) + this.#random.fraction() * stepMs;
  }
}
