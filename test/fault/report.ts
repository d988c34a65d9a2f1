/** The table that a run ends with. */
import type { Tally } from './tally.ts';

/** @returns how many invariants were broken */
export function print(
  tallies: readonly Tally[],
  failpoints: readonly string[],
  { seed, minutes }: { readonly seed: number; readonly minutes: number },
): number {
  const kinds = Map.groupBy(tallies, ({ kind }) => kind);
  const rows = [...kinds].map(([kind, of]) => [
    kind,
    String(sum(of, ({ injected }) => injected)),
    String(sum(of, ({ restarts }) => restarts)),
    String(Math.round(Math.max(...of.map(({ slowestRestartMs }) => slowestRestartMs)))),
    String(sum(of, ({ findings }) => findings.length)),
  ]);
  const broken = sum(tallies, ({ findings }) => findings.length);
  const total = [
    'all',
    String(sum(tallies, ({ injected }) => injected)),
    String(sum(tallies, ({ restarts }) => restarts)),
    '',
    String(broken),
  ];
  table([['fault', 'injected', 'restarts', 'slowest ms', 'broken'], ...rows, total]);
  details(kinds);
  const passed = new Set(tallies.flatMap(({ points }) => [...points.keys()]));
  const missed = failpoints.filter((point) => !passed.has(point as never));
  say(
    `failpoints at which something was done: ${passed.size} of ${failpoints.length}${missed.length === 0 ? '' : `; not at ${missed.join(', ')}`}`,
  );
  for (const { kind, findings } of tallies)
    for (const { invariant, what, directory } of findings.slice(0, 12))
      say(`!! ${kind} ${invariant}: ${what}\n   ${directory}`);
  say(
    `${sum(tallies, ({ injected }) => injected)} faults injected, ${broken} broken invariants, ${minutes.toFixed(1)} minutes, seed ${seed}`,
  );
  return broken;
}

function details(kinds: ReadonlyMap<string, readonly Tally[]>): void {
  for (const [kind, of] of kinds) {
    const all: Record<string, number> = {};
    for (const { details } of of)
      for (const [what, count] of Object.entries(details)) all[what] = (all[what] ?? 0) + count;
    say(
      `${kind}: ${Object.entries(all)
        .map(([what, count]) => `${count} ${what}`)
        .join(', ')}`,
    );
  }
}

function table(rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of rows)
    say(
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  '),
    );
}

const sum = (tallies: readonly Tally[], of: (tally: Tally) => number): number =>
  tallies.reduce((total, tally) => total + of(tally), 0);

const say = (line: string): void => void process.stdout.write(`${line}\n`);
