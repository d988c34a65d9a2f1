/**
 * `make flood`: every attack in turn against a real server, with a quiet neighbour on it. Prints a table and leaves
 * JSON in test/flood/results. `node test/flood/run.ts [--quick] [name…]`.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { printTable } from '../bench/table.ts';
import { type Attack, attacks } from './attacks.ts';
import { hasH2load } from './foreign.ts';
import { Scene } from './scene.ts';
import { type Figures, type Pace, trial } from './trial.ts';

const paces: Readonly<Record<'quick' | 'whole', Pace>> = {
  quick: { quietMs: 2_000, attackMs: 4_000, settleMs: 5_000, toTheEnd: false },
  whole: { quietMs: 4_000, attackMs: 15_000, settleMs: 60_000, toTheEnd: true },
};

const head = [
  'attack',
  'p99 quiet',
  'p99 beside',
  'p99 during',
  'max',
  'connect p99',
  'failures',
  'MiB before',
  'peak',
  'after',
  'fds',
  'connections',
  'cut',
  'ended',
  'cpu %',
  'verdict',
];
const row = (f: Figures): string[] => [
  f.attack,
  ms(f.quiet.p99),
  ms(f.beside.p99),
  ms(f.during.p99),
  ms(f.during.max),
  ms(f.during.connectP99),
  String(f.failures.length),
  mib(f.mib.before),
  mib(f.mib.peak),
  mib(f.mib.after),
  `${f.descriptors.before}→${f.descriptors.after}`,
  String(f.attacker.connections),
  String(f.attacker.cut),
  String(f.attacker.ended),
  (f.cpuShare * 100).toFixed(0),
  f.faults.length === 0 ? 'ok' : f.faults.join(', '),
];
const ms = (value: number): string => value.toFixed(1);
const mib = (value: number): string => value.toFixed(0);

const { values, positionals } = parseArgs({
  options: { quick: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const foreign = hasH2load();
if (!foreign)
  process.stderr.write('h2load is missing, and with it the floods that are not ours: apt install nghttp2-client\n');
const chosen = attacks.filter(
  (attack: Attack) =>
    (foreign || !('h2load' in attack)) &&
    (positionals.length === 0 || positionals.some((part) => attack.name.includes(part))),
);
const figures: Figures[] = [];
/**
 * Whatever else this machine does must not be taken for the attack. Within this session the attackers have the lowest
 * priority; where the kernel shares out among sessions first, this one comes before the others.
 */
const niceness = -10;
const session = '/proc/self/autogroup';
if (existsSync(session)) writeFileSync(session, '-15');
await using control = await Scene.open(niceness);
for (const attack of chosen) {
  await using scene = await Scene.open(niceness);
  const f = await trial(scene, control, attack, paces[values.quick ? 'quick' : 'whole']);
  process.stderr.write(`${row(f).join('  ')}  ${[...new Set(f.failures)].slice(0, 3).join('; ')}\n`);
  figures.push(f);
}
if (existsSync(session)) writeFileSync(session, '0');
printTable(head, figures.map(row));
const results = join(import.meta.dirname, 'results');
mkdirSync(results, { recursive: true });
writeFileSync(join(results, 'flood.json'), `${JSON.stringify(figures, null, 2)}\n`);
process.exitCode = figures.every(({ faults }) => faults.length === 0) ? 0 : 1;
