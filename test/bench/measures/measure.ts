import type { References } from '../references.ts';
import type { Row } from '../row.ts';

/** One story with issuers of its own; some numbers of the table. */
export interface Measure {
  readonly title: string;
  run(references: References): Promise<readonly Row[]>;
}

/** What every process of this user has. */
export const own = (): string[] => [`unix:uid:${process.geteuid?.()}`];
