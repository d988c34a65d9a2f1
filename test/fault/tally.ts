/** What was done, and what came of it, kind by kind. */
import type { Failpoint } from '../../src/runtime/failpoints.ts';
import type { Invariant, Row } from './matrix.ts';

export interface Finding {
  readonly invariant: Invariant | 'the test itself';
  readonly what: string;
  /** Where everything about it lies. */
  readonly directory: string;
}

export class Tally {
  readonly kind: string;
  injected = 0;
  restarts = 0;
  slowestRestartMs = 0;
  /** Faults of each row of the matrix. */
  readonly rows: Partial<Record<Row, number>> = {};
  readonly details: Record<string, number> = {};
  readonly findings: Finding[] = [];
  readonly points: Partial<Record<Failpoint, number>> = {};
  /** How often something was held against each invariant. */
  readonly checked: Partial<Record<Invariant, number>> = {};

  constructor(kind: string) {
    this.kind = kind;
  }

  /** A fault that has happened; not one that was only meant to. */
  inject(row: Row, detail: string, point?: Failpoint): void {
    this.injected++;
    this.rows[row] = (this.rows[row] ?? 0) + 1;
    this.count(detail);
    if (point !== undefined) this.points[point] = (this.points[point] ?? 0) + 1;
  }

  count(detail: string, by = 1): void {
    this.details[detail] = (this.details[detail] ?? 0) + by;
  }

  /** The largest of what was measured. */
  worst(detail: string, value: number): void {
    this.details[detail] = Math.max(this.details[detail] ?? 0, Math.round(value));
  }

  check(invariant: Invariant, by = 1): void {
    this.checked[invariant] = (this.checked[invariant] ?? 0) + by;
  }

  break(finding: Finding): void {
    this.findings.push(finding);
  }
}
