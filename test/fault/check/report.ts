/** What the checker found. */
export type Invariant = `I${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14}`;

export interface Violation {
  /** docs/faults.md says what each of them is. */
  readonly invariant: Invariant;
  readonly what: string;
}

export interface Report {
  readonly counts: Readonly<Record<string, number>>;
  /** How often something was held against each invariant. */
  readonly checked: Readonly<Partial<Record<Invariant, number>>>;
  readonly broken: readonly Violation[];
}

/** Collects; the first hundred say enough. */
export class Findings {
  readonly counts: Record<string, number> = {};
  readonly checked: Partial<Record<Invariant, number>> = {};
  readonly broken: Violation[] = [];
  #more = 0;

  count(what: string, by = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + by;
  }

  /** The largest of what was measured. */
  worst(what: string, value: number): void {
    this.counts[what] = Math.max(this.counts[what] ?? 0, Math.round(value));
  }

  must(holds: boolean, invariant: Invariant, what: () => string): void {
    this.checked[invariant] = (this.checked[invariant] ?? 0) + 1;
    if (holds) return;
    if (this.broken.length < 100) this.broken.push({ invariant, what: what() });
    else this.#more++;
  }

  report(): Report {
    const more = this.#more === 0 ? {} : { 'further violations': this.#more };
    return { counts: { ...this.counts, ...more }, checked: this.checked, broken: this.broken };
  }
}
