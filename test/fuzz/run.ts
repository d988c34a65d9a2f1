/**
 * `make fuzz`: hostile bytes into everything that reads bytes of strangers, led by coverage, and the same questions put
 * to other people's verifiers. A target returns or throws an IdentityError, within a second; anything else is a finding,
 * printed with the shortest input that shows it, and the run fails.
 *
 *   node test/fuzz/run.ts [--seconds 10] [--seed 1] [--inputs N] [--only jwt-svid,pem] [--skip judges|targets] [--keep]
 *   node test/fuzz/run.ts --only jwt-svid --input 65794a…      one input again; @FILE has it in a file
 *
 * --inputs ends each target after so many: with a seed, the same ones each time.
 * --keep writes what was found worth keeping into test/fuzz/corpus.
 */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { supervise } from './engine/supervise.ts';
import type { Result } from './engine/worker.ts';
import { judgements, type Row } from './judges.ts';
import { tampering } from './tampering.ts';
import { targets } from './targets.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: process.env['FUZZ_SECONDS'] ?? '10' },
    seed: { type: 'string', default: process.env['FUZZ_SEED'] ?? String(Date.now() % 1_000_000) },
    inputs: { type: 'string', default: process.env['FUZZ_INPUTS'] ?? '' },
    only: { type: 'string' },
    skip: { type: 'string' },
    input: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});
/** The search leaves half of a core idle while it writes down what it tries. */
const sideBySide = 2;
const longestShown = 2_000;

const wanted = values.only?.split(',') ?? Object.keys(targets);
const unknown = wanted.find((name) => targets[name] === undefined);
if (unknown !== undefined) throw new Error(`no such target: ${unknown}; there are ${Object.keys(targets).join(', ')}`);
const amount = values.inputs === '' ? `${values.seconds} s` : `${values.inputs} inputs`;
print(`${wanted.length} targets, ${amount} each, --seed ${values.seed}`);
print(
  `${'target'.padEnd(18)} ${'inputs'.padStart(10)} ${'accepted'.padStart(10)} ${'corpus'.padStart(6)}  code reached`,
);

const rows: Row[] = [];
const found: string[] = [];
let executions = 0;
const waiting = values.skip === 'targets' ? [] : [...wanted];
const searched = waiting.length;
await Promise.all(Array.from({ length: sideBySide }, lane));
if (searched > 0)
  rows.push({
    what: `inputs to ${searched} parsers: crashes, hangs, false answers`,
    asked: executions,
    failures: found,
  });
if (values.only === undefined && values.skip !== 'judges') await others();
process.exitCode = conclude() === 0 ? 0 : 1;

async function others(): Promise<void> {
  const amounts = { ids: 300_000, broken: 10_000, seed: Number(values.seed) };
  const judges = [{ title: 'the ledger', judge: tampering }, ...judgements(amounts)];
  for (const { title, judge } of judges) {
    print('');
    const judged = await judge(print).catch((error: unknown) => [
      { what: title, asked: 0, failures: [`could not be asked: ${error}`] },
    ]);
    for (const failure of judged.flatMap(({ failures }) => failures).slice(0, 20)) print(`!! ${failure}`);
    rows.push(...judged);
  }
}

/** The table of all of it; says how much is wrong. */
function conclude(): number {
  const width = Math.max(...rows.map(({ what }) => what.length));
  const line = (what: string, asked: string, wrong: string): void =>
    print(`${what.padEnd(width)}  ${asked.padStart(10)}  ${wrong.padStart(8)}`);
  print('');
  line('', 'tried', 'findings');
  for (const { what, asked, failures } of rows) line(what, asked.toLocaleString('en'), String(failures.length));
  const wrong = rows.reduce((sum, { failures }) => sum + failures.length, 0);
  print(`\n${wrong} findings in all`);
  return wrong;
}

async function lane(): Promise<void> {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    const { seconds, seed, keep } = values;
    const input = values.input?.startsWith('@') ? readFileSync(values.input.slice(1), 'latin1') : values.input;
    const inputs = values.inputs === '' ? undefined : Number(values.inputs);
    tell(name, await supervise({ name, ms: Number(seconds) * 1000, seed: Number(seed), inputs, input, keep }));
  }
}

function tell(name: string, result: Result): void {
  executions += result.executions;
  const numbers = [result.executions, result.accepted].map((count) => count.toLocaleString('en').padStart(10));
  const share = `${((100 * result.reached) / (result.code || 1)).toFixed(1)} % of ${(result.code / 1024).toFixed(1)} KiB`;
  print(`${name.padEnd(18)} ${numbers.join(' ')} ${String(result.corpus).padStart(6)}  ${share}`);
  for (const { what, input } of result.findings) {
    found.push(`${name}: ${what}`);
    print(`!! ${name}: ${what}\n   node test/fuzz/run.ts --only ${name} --input ${shown(name, input)}`);
  }
}

/** A long one goes to a file, so that the terminal keeps the rest. */
function shown(name: string, input: string): string {
  if (input.length < longestShown) return input;
  const path = join(mkdtempSync(join(tmpdir(), 'mayfly-finding-')), name);
  writeFileSync(path, input);
  return `@${path}   beginning with ${input.slice(0, 400)}, ${input.length / 2} bytes`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
