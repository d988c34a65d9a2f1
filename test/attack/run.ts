/**
 * `make attack`: attacks on who is asking, against a real `./mayfly up` that is stopped wherever that helps the attacker.
 * Prints what was tried and what came of it; fails when one identity reached a process that had not earned it, or when a
 * rightful one was kept back.
 *
 *   node test/attack/run.ts [--reuses 10000] [--swaps 1000] [--rounds 100] [--only pid-reuse,exec-swap]
 */
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { attacks } from './attacks.ts';
import type { Reuse } from './pid-reuse.ts';
import { newTally, print, type Tallies, type Tally } from './tally.ts';

export type AttackName = keyof typeof attacks;

const hourMs = 3_600_000;

/** Each in a PID namespace of its own, where the next pid can be chosen. */
export async function attack(name: AttackName, count: number): Promise<Tallies> {
  const directory = mkdtempSync(join(tmpdir(), 'mayfly-attack-'));
  chmodSync(directory, 0o755);
  const inside = [process.execPath, join(import.meta.dirname, 'inside.ts'), name, directory, String(count)];
  const words = ['--pid', '--fork', '--mount-proc', '--kill-child', ...inside];
  try {
    return await new Promise((resolve, reject) => {
      execFile('unshare', words, { encoding: 'utf8', timeout: hourMs }, (error, said, complaints) =>
        error === null ? resolve(JSON.parse(said)) : reject(new Error(`${name}: ${complaints || error.message}`)),
      );
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function halves(name: AttackName, count: number): Promise<Tallies> {
  const [one = {}, other = {}] = await Promise.all([
    attack(name, Math.ceil(count / 2)),
    attack(name, Math.ceil(count / 2)),
  ]);
  return Object.fromEntries(Object.entries(one).map(([row, tally]) => [row, added(tally, other[row] ?? newTally())]));
}

const added = <T extends Tally>(one: T, other: Tally): T =>
  Object.fromEntries(
    Object.entries(one).map(([column, amount]) => [column, amount + (Reflect.get(other, column) ?? 0)]),
  ) as unknown as T;

/** As many times as asked for in all, at each of its points. */
const shares = { 'pid-reuse': 7, 'exec-swap': 14 } as const;

interface Amounts {
  readonly reuses: number;
  readonly swaps: number;
  readonly rounds: number;
}

const countOf = (name: AttackName, { reuses, swaps, rounds }: Amounts): number =>
  name === 'pid-reuse'
    ? Math.ceil(reuses / shares[name])
    : name === 'exec-swap'
      ? Math.ceil(swaps / shares[name])
      : rounds;

/** What the attack on pids would have done to usual checks. */
function fooled(tallies: Tallies): Readonly<Record<'reused' | 'foolsPid' | 'foolsStartTime', number>> {
  const reuses = Object.values(tallies).filter((tally): tally is Reuse => 'foolsPid' in tally);
  const sum = (of: (one: Reuse) => number): number => reuses.reduce((all, one) => all + of(one), 0);
  return {
    reused: sum(({ attempts }) => attempts),
    foolsPid: sum((one) => one.foolsPid),
    foolsStartTime: sum((one) => one.foolsStartTime),
  };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      reuses: { type: 'string', default: '10000' },
      swaps: { type: 'string', default: '1000' },
      rounds: { type: 'string', default: '100' },
      only: { type: 'string' },
    },
  });
  const amounts = { reuses: Number(values.reuses), swaps: Number(values.swaps), rounds: Number(values.rounds) };
  const names: readonly AttackName[] = [
    'pid-reuse',
    'exec-swap',
    'descriptors',
    'becoming',
    'namespaces',
    'hidden-proc',
  ];
  const wanted = names.filter((name) => values.only?.split(',').includes(name) ?? true);
  // Side by side: each waits for its own issuer most of the time. The longest is two.
  const found = await Promise.all(
    wanted.map((name) => (name === 'pid-reuse' ? halves : attack)(name, countOf(name, amounts))),
  );
  const tallies: Tallies = Object.assign({}, ...found);
  print(tallies);
  const wrong = Object.values(tallies).reduce((sum, tally) => sum + tally.wrong, 0);
  const uneven = Object.keys(tallies).filter(
    (name) => (tallies[name]?.cut ?? 0) > 0 && (tallies[name]?.served ?? 0) > 0,
  );
  for (const name of uneven) process.stdout.write(`now served and now refused: ${name}\n`);
  const { reused, foolsPid, foolsStartTime } = fooled(tallies);
  if (reused > 0) {
    const usual = `${foolsPid} fool whoever knows a process by its pid, ${foolsStartTime} by its start time as well`;
    process.stdout.write(`of ${reused} reused pids, ${usual}\n`);
  }
  process.stdout.write(`identities to a wrong process: ${wrong}\n`);
  process.exitCode = wrong === 0 && uneven.length === 0 ? 0 : 1;
}
