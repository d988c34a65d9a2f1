/**
 * Everything that can happen to an issuer on one host, thousands of times, and what came of it. See docs/faults.md.
 *
 *   node test/fault/run.ts [--full] [--minutes N] [--seed N] [--only KIND,…] [--lanes N]
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { failpoints } from '../../src/runtime/failpoints.ts';
import { buildLossyfs } from './disk.ts';
import { runLane } from './lane.ts';
import { lanes, type Planned } from './plan.ts';
import { print } from './report.ts';
import type { Tally } from './tally.ts';
import { requireTools } from './tools.ts';

const { values } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    minutes: { type: 'string' },
    seed: { type: 'string' },
    only: { type: 'string' },
    lanes: { type: 'string', default: '3' },
  },
});
const seed = Number(values.seed ?? process.env['FAULT_SEED'] ?? Math.floor(Math.random() * 1e9));
/** What is under way when they are over is brought to its end, and judged: that takes up to another minute. */
const minutes = Number(values.minutes ?? process.env['FAULT_MINUTES'] ?? (values.full ? 180 : 8.5));
const only = values.only?.split(',');

requireTools();
buildLossyfs();
const root = mkdtempSync(join(tmpdir(), 'mayfly-fault-'));
// Workloads of other users pass through it to their socket.
chmodSync(root, 0o755);
const begun = performance.now();
const deadline = begun + minutes * 60_000;
const queue = lanes({ full: values.full, seed }).filter(({ kind }) => only === undefined || only.includes(kind));
process.stdout.write(`seed ${seed}, ${queue.length} issuers, at most ${minutes} minutes\n`);

const tallies: Tally[] = [];
let left = 0;

/** Each lane has its share of the time that is left; what it does not need, the later ones have. */
async function work(waiting: Planned[], workers: number): Promise<void> {
  const worker = async (): Promise<void> => {
    for (;;) {
      const seconds = waiting.reduce((sum, lane) => sum + lane.seconds, 0);
      const lane = waiting.shift();
      if (lane === undefined) return;
      const now = performance.now();
      if (now > deadline) left++;
      else await runOne(lane, Math.min(deadline, now + ((deadline - now) * lane.seconds * workers) / seconds));
    }
  };
  await Promise.all(Array.from({ length: workers }, worker));
}

async function runOne(lane: Planned, until: number): Promise<void> {
  const from = performance.now();
  const tally = await runLane({ ...lane, root, deadline: until });
  tallies.push(tally);
  const seconds = Math.round((performance.now() - from) / 1000);
  process.stdout.write(`${lane.name}: ${tally.injected} injected in ${seconds} s, ${tally.findings.length} broken\n`);
}

const busy = queue.filter(({ idle }) => !idle);
const idle = queue.filter((lane) => lane.idle);
await Promise.all([work(busy, Number(values.lanes)), work(idle, 2)]);
const broken = print(tallies, failpoints, { seed, minutes: (performance.now() - begun) / 60_000, left });
mkdirSync(new URL('results/', import.meta.url), { recursive: true });
writeFileSync(new URL('results/fault.json', import.meta.url), `${JSON.stringify({ seed, tallies }, undefined, 2)}\n`);
if (broken === 0) rmSync(root, { recursive: true, force: true });
process.exit(broken === 0 ? 0 : 1);
