/** So many at once, so many a second: a value that is told the time (milliseconds on any clock that does not jump). */
export class TokenBucket {
  readonly #most: number;
  readonly #perSecond: number;
  #left: number;
  #at: number;

  constructor({ most, perSecond }: { readonly most: number; readonly perSecond: number }, now: number) {
    this.#most = most;
    this.#perSecond = perSecond;
    this.#left = most;
    this.#at = now;
  }

  /** Takes one; false when there is none. */
  take(now: number): boolean {
    if (this.isEmpty(now)) return false;
    this.#left -= 1;
    return true;
  }

  isEmpty(now: number): boolean {
    this.#left = Math.min(this.#most, this.#left + (Math.max(0, now - this.#at) * this.#perSecond) / 1000);
    this.#at = now;
    return this.#left < 1;
  }

  /** As good as new: nothing would change if it were forgotten. */
  isFull(now: number): boolean {
    return !this.isEmpty(now) && this.#left === this.#most;
  }
}
