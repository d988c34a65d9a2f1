/** The tables that a run ends with. */
import { type Invariant, invariants, matrix, type Row } from './matrix.ts';
import type { Tally } from './tally.ts';

export interface RunFacts {
  readonly seed: number;
  readonly minutes: number;
  /** Lanes that were not begun because the time was up. */
  readonly left: number;
}

/** @returns how many invariants were broken */
export function print(tallies: readonly Tally[], failpoints: readonly string[], facts: RunFacts): number {
  const kinds = Map.groupBy(tallies, ({ kind }) => kind);
  for (const [kind, of] of kinds) detailsOf(kind, of);
  table([['kind', 'injected', 'starts', 'slowest ms', 'broken'], ...[...kinds].map(kindRow)]);
  table([['row', 'fault', 'injected', 'checked', 'broken'], ...rowsOf(tallies)]);
  table([['', 'invariant', 'checks', 'broken'], ...invariantRows(tallies)]);
  failpointsPassed(tallies, failpoints);
  for (const { kind, findings } of tallies)
    for (const { invariant, what, directory } of findings.slice(0, 12))
      say(`!! ${kind} ${invariant}: ${what}\n   ${directory}`);
  const broken = sum(tallies, ({ findings }) => findings.length);
  const injected = sum(tallies, (tally) => tally.injected);
  if (facts.left > 0) say(`the time was up before ${facts.left} more issuers`);
  say(
    `fault: ${injected} faults injected, ${broken} broken invariants, ${facts.minutes.toFixed(1)} minutes, seed ${facts.seed}`,
  );
  return broken;
}

const kindRow = ([kind, of]: readonly [string, readonly Tally[]]): string[] => [
  kind,
  String(sum(of, ({ injected }) => injected)),
  String(sum(of, ({ restarts }) => restarts)),
  String(Math.round(Math.max(...of.map(({ slowestRestartMs }) => slowestRestartMs)))),
  String(sum(of, ({ findings }) => findings.length)),
];

/** What is broken on an issuer counts for each row of which it met a fault: nobody knows which of them it was. */
function rowsOf(tallies: readonly Tally[]): string[][] {
  return (Object.keys(matrix).map(Number) as Row[]).map((row) => {
    const of = tallies.filter(({ rows }) => rows[row] !== undefined);
    const checked = keysOf(invariants).filter((invariant) => of.some((tally) => tally.checked[invariant]));
    const broken = sum(of, ({ findings }) => findings.length);
    return [String(row), matrix[row], String(sum(of, ({ rows }) => rows[row] ?? 0)), checked.join(' '), String(broken)];
  });
}

const invariantRows = (tallies: readonly Tally[]): string[][] =>
  keysOf(invariants).map((invariant) => [
    invariant,
    invariants[invariant],
    String(sum(tallies, ({ checked }) => checked[invariant] ?? 0)),
    String(sum(tallies, ({ findings }) => findings.filter((finding) => finding.invariant === invariant).length)),
  ]);

const keysOf = (of: typeof invariants): Invariant[] => Object.keys(of) as Invariant[];

function failpointsPassed(tallies: readonly Tally[], failpoints: readonly string[]): void {
  const passed = new Set(tallies.flatMap(({ points }) => Object.keys(points)));
  const missed = failpoints.filter((point) => !passed.has(point));
  const not = missed.length === 0 ? '' : `; not at ${missed.join(', ')}`;
  say(`failpoints at which something was done: ${passed.size} of ${failpoints.length}${not}\n`);
}

function detailsOf(kind: string, of: readonly Tally[]): void {
  const all: Record<string, number> = {};
  for (const { details } of of)
    for (const [what, count] of Object.entries(details))
      all[what] = what.startsWith('ms ') ? Math.max(all[what] ?? 0, count) : (all[what] ?? 0) + count;
  const list = Object.entries(all).map(([what, count]) => `${count} ${what}`);
  say(`${kind}: ${list.join(', ')}\n`);
}

/** Columns of numbers stand to the right. */
function table(rows: readonly (readonly string[])[]): void {
  const columns = (rows[0] ?? []).map((_, column) => ({
    width: Math.max(...rows.map((row) => row[column]?.length ?? 0)),
    numbers: rows.slice(1).every((row) => /^\d*$/.test(row[column] ?? '')),
  }));
  for (const row of rows)
    say(
      row
        .map((cell, at) =>
          columns[at]?.numbers ? cell.padStart(columns[at].width) : cell.padEnd(columns[at]?.width ?? 0),
        )
        .join('  ')
        .trimEnd(),
    );
  say('');
}

const sum = (tallies: readonly Tally[], of: (tally: Tally) => number): number =>
  tallies.reduce((total, tally) => total + of(tally), 0);

const say = (line: string): void => void process.stdout.write(`${line}\n`);
