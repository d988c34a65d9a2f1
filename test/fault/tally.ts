/** What was done, and what came of it, kind by kind. */
import type { Failpoint } from '../../src/runtime/failpoint.ts';

export interface Finding {
  readonly invariant: string;
  readonly what: string;
  /** Where everything about it lies. */
  readonly directory: string;
}

export class Tally {
  readonly kind: string;
  injected = 0;
  restarts = 0;
  slowestRestartMs = 0;
  readonly details: Record<string, number> = {};
  readonly findings: Finding[] = [];
  readonly points = new Map<Failpoint, number>();

  constructor(kind: string) {
    this.kind = kind;
  }

  /** A fault that has happened; not one that was only meant to. */
  inject(detail: string, point?: Failpoint): void {
    this.injected++;
    this.details[detail] = (this.details[detail] ?? 0) + 1;
    if (point !== undefined) this.points.set(point, (this.points.get(point) ?? 0) + 1);
  }

  count(detail: string, by = 1): void {
    this.details[detail] = (this.details[detail] ?? 0) + by;
  }

  /** The largest of what was measured. */
  worst(detail: string, value: number): void {
    this.details[detail] = Math.max(this.details[detail] ?? 0, Math.round(value));
  }

  break(finding: Finding): void {
    this.findings.push(finding);
  }
}
