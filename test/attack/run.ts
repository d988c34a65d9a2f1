/**
 * `make attack`: attacks on who is asking, against a real `./mayfly up` that is stopped wherever that helps the attacker.
 * Prints what was tried and what came of it; fails when one identity reached a process that had not earned it.
 *
 *   node test/attack/run.ts [--reuses 10000] [--swaps 1000] [--only pid-reuse]
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

export type Tally = Readonly<Record<string, number>>;

const hourMs = 3_600_000;

/** Each in a PID namespace of its own, where the next pid can be chosen. */
export function attack(name: 'pid-reuse' | 'exec-swap', count: number): Readonly<Record<string, Tally>> {
  const directory = mkdtempSync(join(tmpdir(), 'mayfly-attack-'));
  chmodSync(directory, 0o755);
  try {
    const inside = [process.execPath, join(import.meta.dirname, 'inside.ts'), name, directory, String(count)];
    const words = ['--pid', '--fork', '--mount-proc', '--kill-child', ...inside];
    return JSON.parse(
      execFileSync('unshare', words, { encoding: 'utf8', timeout: hourMs, stdio: ['ignore', 'pipe', 'inherit'] }),
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What must be zero, whatever the attack. */
export const wrong = ({ mistaken = 0, stale = 0, leftOpen = 0 }: Tally): number => mistaken + stale + leftOpen;

function print(name: string, tallies: Readonly<Record<string, Tally>>): void {
  const columns = [...new Set(Object.values(tallies).flatMap(Object.keys))];
  const rows = Object.entries(tallies).map(([point, tally]) => [
    point,
    ...columns.map((column) => tally[column] ?? ''),
  ]);
  const table = [[name, ...columns], ...rows].map((row) => row.map(String));
  const widths = table[0]?.map((_, at) => Math.max(...table.map((row) => row[at]?.length ?? 0))) ?? [];
  for (const [first = '', ...rest] of table) {
    process.stdout.write(
      `${[first.padEnd(widths[0] ?? 0), ...rest.map((text, at) => text.padStart(widths[at + 1] ?? 0))].join('  ')}\n`,
    );
  }
  process.stdout.write('\n');
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      reuses: { type: 'string', default: '10000' },
      swaps: { type: 'string', default: '1000' },
      only: { type: 'string' },
    },
  });
  const [points, cells] = [7, 14];
  const attacks = [
    ['pid-reuse', Math.ceil(Number(values.reuses) / points)],
    ['exec-swap', Math.ceil(Number(values.swaps) / cells)],
  ] as const;
  let failed = 0;
  for (const [name, count] of attacks.filter(([known]) => known === (values.only ?? known))) {
    const tallies = attack(name, count);
    print(name, tallies);
    failed += Object.values(tallies).reduce((sum, tally) => sum + wrong(tally), 0);
  }
  process.stdout.write(`identities to a wrong process: ${failed}\n`);
  process.exitCode = failed === 0 ? 0 : 1;
}
