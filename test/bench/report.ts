/** One table for people, one document for machines. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { cells, heads, met, type Row, ratio } from './row.ts';
import { printTable } from './table.ts';

const directory = join(import.meta.dirname, 'results');
/** What else the machine did when the run began. */
const [busyBefore = 0] = loadavg();
const startedAt = new Date();

export function print(rows: readonly Row[]): void {
  printTable(heads, rows.map(cells));
  const judged = rows.filter((row) => met(row) !== undefined);
  const missed = judged.filter((row) => met(row) === false);
  process.stdout.write(`\n${judged.length - missed.length} of ${judged.length} goals met`);
  for (const { measure, unit } of missed) process.stdout.write(`\n  NOT MET: ${measure}${unit && ` (${unit})`}`);
  process.stdout.write(`\n${cpus().length} cores shared by load and server; load average before: ${busyBefore}\n`);
}

/** The figures with what they were taken on. */
export function document({ rows, ...rest }: { readonly rows: readonly Row[]; readonly [more: string]: unknown }) {
  const [cpu] = cpus();
  const machine = { cpu: cpu?.model, cores: cpus().length, memoryBytes: totalmem(), kernel: release() };
  return {
    at: startedAt.toISOString(),
    seconds: (Date.now() - startedAt.getTime()) / 1000,
    machine: { ...machine, node: process.version, loadAverageBefore: busyBefore },
    rows: rows.map((row) => ({ ...row, met: met(row), ratio: ratio(row) })),
    ...rest,
  };
}

export function save(name: string, what: ReturnType<typeof document>): void {
  mkdirSync(directory, { recursive: true });
  const file = `${name}-${what.at.replaceAll(/[:.]/g, '-')}.json`;
  writeFileSync(join(directory, file), `${JSON.stringify(what, undefined, 2)}\n`);
  process.stdout.write(`${what.seconds.toFixed(0)} s; test/bench/results/${file}\n`);
}
