/**
 * Everything that can happen to an issuer on one host, thousands of times, and what came of it.
 *
 *   node test/fault/run.ts [--full] [--minutes N] [--seed N] [--only KIND,…]
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { failpoints } from '../../src/runtime/failpoint.ts';
import { buildLossyfs } from './disk.ts';
import { runLane } from './lane.ts';
import { lanes, type Planned } from './plan.ts';
import { print } from './report.ts';
import type { Tally } from './tally.ts';

const { values } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    minutes: { type: 'string' },
    seed: { type: 'string' },
    only: { type: 'string' },
    lanes: { type: 'string', default: '3' },
  },
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9));
const minutes = Number(values.minutes ?? (values.full ? 180 : 9));
const only = values.only?.split(',');

buildLossyfs();
const root = mkdtempSync(join(tmpdir(), 'mayfly-fault-'));
// Workloads of other users pass through it to their socket.
chmodSync(root, 0o755);
const begun = performance.now();
const deadline = begun + minutes * 60_000;
const queue = lanes({ full: values.full, seed }).filter(({ kind }) => only === undefined || only.includes(kind));
process.stdout.write(`seed ${seed}, ${queue.length} lanes, at most ${minutes} minutes\n`);

const tallies: Tally[] = [];

/** Each lane has its share of the time that is left; what it does not need, the later ones have. */
async function work(lanes: Planned[], workers: number): Promise<void> {
  const secondsOf = (some: readonly Planned[]): number => some.reduce((sum, { seconds }) => sum + seconds, 0);
  const worker = async (): Promise<void> => {
    for (
      let left = secondsOf(lanes), lane = lanes.shift();
      lane !== undefined;
      left = secondsOf(lanes), lane = lanes.shift()
    ) {
      const now = performance.now();
      const share = ((deadline - now) * lane.seconds * workers) / left;
      const tally = await runLane({ ...lane, root, deadline: Math.min(deadline, now + share) });
      tallies.push(tally);
      process.stdout.write(`${lane.name}: ${tally.injected} injected, ${tally.findings.length} broken\n`);
    }
  };
  await Promise.all(Array.from({ length: workers }, worker));
}

const busy = queue.filter(({ idle }) => !idle);
await Promise.all([
  work(busy, Number(values.lanes)),
  work(
    queue.filter(({ idle }) => idle),
    1,
  ),
]);
const broken = print(tallies, failpoints, { seed, minutes: (performance.now() - begun) / 60_000 });
mkdirSync(new URL('results/', import.meta.url), { recursive: true });
writeFileSync(new URL('results/fault.json', import.meta.url), `${JSON.stringify({ seed, tallies }, undefined, 2)}\n`);
if (broken === 0) rmSync(root, { recursive: true, force: true });
process.exit(broken === 0 ? 0 : 1);
