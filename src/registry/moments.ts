/** Above this many at once, sorting everything is cheaper than finding the place of each. */
const fewAtOnce = 64;

/** Moments in order, each as often as it was added: the next one after any given moment is a binary search away. */
export class Moments {
  #sorted: number[] = [];

  add(moments: readonly number[]): void {
    if (moments.length > fewAtOnce) this.#sorted = this.#sorted.concat(moments).sort((a, b) => a - b);
    else for (const moment of moments) this.#sorted.splice(this.#firstAfter(moment), 0, moment);
  }

  remove(moment: number): void {
    const at = this.#firstAfter(moment) - 1;
    if (this.#sorted[at] === moment) this.#sorted.splice(at, 1);
  }

  next(after: number): number | undefined {
    return this.#sorted[this.#firstAfter(after)];
  }

  #firstAfter(moment: number): number {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sorted[middle] ?? Number.POSITIVE_INFINITY) <= moment) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
