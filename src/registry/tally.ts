/** How often each word is in use. */
export class Tally {
  readonly #counts = new Map<string, number>();

  of(word: string): number {
    return this.#counts.get(word) ?? 0;
  }

  add(word: string, by: 1 | -1): void {
    const count = this.of(word) + by;
    if (count === 0) this.#counts.delete(word);
    else this.#counts.set(word, count);
  }
}
