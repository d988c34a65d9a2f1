/** What the checker found. */
export interface Violation {
  /** Of reliability's I1 to I14. */
  readonly invariant: string;
  readonly what: string;
}

export interface Report {
  readonly counts: Readonly<Record<string, number>>;
  readonly broken: readonly Violation[];
}

/** Collects; the first hundred say enough. */
export class Findings {
  readonly counts: Record<string, number> = {};
  readonly broken: Violation[] = [];
  #more = 0;

  count(what: string, by = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + by;
  }

  must(holds: boolean, invariant: string, what: () => string): void {
    if (holds) return;
    if (this.broken.length < 100) this.broken.push({ invariant, what: what() });
    else this.#more++;
  }

  report(): Report {
    const more = this.#more === 0 ? {} : { 'further violations': this.#more };
    return { counts: { ...this.counts, ...more }, broken: this.broken };
  }
}
