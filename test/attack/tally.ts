/** What came of an attack, counted alike for all of them. */
import type { Heard } from './accomplice.ts';

export interface Tally {
  attempts: number;
  /** Refused, or cut off before anything was sent. */
  cut: number;
  /** Was given an identity that is its own, by what it verifiably is. */
  served: number;
  /** Was given one of the same user's that a look at the program cannot keep apart: documented (docs/threat-model.md). */
  unseen: number;
  /** An identity reached a process that had not earned it, was even issued for it, or a connection was left that may bring one. */
  wrong: number;
}

/** By attack. */
export type Tallies = Readonly<Record<string, Readonly<Tally>>>;

export const newTally = (): Tally => ({ attempts: 0, cut: 0, served: 0, unseen: 0, wrong: 0 });

/** What may come of it: nothing, or these identities and no others. */
export type Rightful = 'nothing' | readonly string[];

export function count(tally: Tally, { closed, ids }: Heard, rightful: Rightful): void {
  tally.attempts += 1;
  if (ids.some((id) => rightful === 'nothing' || !rightful.includes(id))) tally.wrong += 1;
  else if (ids.length > 0) tally.served += 1;
  else if (closed) tally.cut += 1;
  // Nobody said no: the connection is still there, and what comes next comes to whoever holds it.
  else tally.wrong += 1;
}

export function print(tallies: Tallies): void {
  const columns = ['attempts', 'cut', 'served', 'unseen', 'wrong'] as const;
  const heads = ['attempts', 'refused or cut', 'served rightly', 'one user’s, not told apart', 'to a wrong process'];
  const width = Math.max(...Object.keys(tallies).map((name) => name.length));
  const line = (first: string, cells: readonly (string | number)[]): void =>
    void process.stdout.write(
      `${first.padEnd(width)}  ${cells.map((cell, at) => String(cell).padStart(heads[at]?.length ?? 0)).join('  ')}\n`,
    );
  line('attack', heads);
  for (const [name, tally] of Object.entries(tallies))
    line(
      name,
      columns.map((column) => tally[column]),
    );
  const sum = (column: keyof Tally): number => Object.values(tallies).reduce((all, tally) => all + tally[column], 0);
  line('all', columns.map(sum));
}
