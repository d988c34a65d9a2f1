/** One kind of fault, done to one issuer, and judged when it is over. */
import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Broken } from './broken.ts';
import type { Report } from './check/report.ts';
import type { HistoryEvent } from './history.ts';
import type { Invariant } from './matrix.ts';
import { Scene, type SceneOptions } from './scene.ts';
import { Tally } from './tally.ts';

export interface Lane {
  readonly scene: Scene;
  readonly tally: Tally;
  /** There is no time left for another fault. */
  readonly over: boolean;
}

export type Work = (lane: Lane) => Promise<void>;

export interface LaneOptions extends Omit<SceneOptions, 'directory'> {
  readonly kind: string;
  /** Of the directory, and unique. */
  readonly name: string;
  readonly root: string;
  /** By `performance.now()`. */
  readonly deadline: number;
  readonly work: Work;
}

const checker = fileURLToPath(new URL('check/check.ts', import.meta.url));

export async function runLane(options: LaneOptions): Promise<Tally> {
  const tally = new Tally(options.kind);
  const directory = join(options.root, options.name);
  const scene = await Scene.open({ ...options, directory });
  const lane: Lane = {
    scene,
    tally,
    get over() {
      return performance.now() > options.deadline;
    },
  };
  try {
    await options.work(lane);
    await settle(scene);
    await judge(scene, tally);
  } catch (error) {
    const invariant = error instanceof Broken ? error.invariant : 'the test itself';
    tally.break({
      invariant,
      what: error instanceof Error ? (error.stack ?? error.message) : String(error),
      directory,
    });
  }
  await scene.close();
  countRestarts(directory, tally);
  if (tally.findings.length === 0) rmSync(directory, { recursive: true, force: true });
  return tally;
}

/** Whatever was done to it, it serves once more and ends in order. */
async function settle(scene: Scene): Promise<void> {
  if (scene.alive) await scene.issuer.disarm();
  else if (!(await scene.start())) throw new Broken('it did not start although nothing was done to it');
  await scene.operator.look();
  scene.watcher.writeResources(scene.issuer.pid);
  await scene.stop();
}

async function judge(scene: Scene, tally: Tally): Promise<void> {
  const { stdout } = await promisify(execFile)(process.execPath, [checker, scene.directory, scene.disk.path], {
    maxBuffer: 64 * 1024 * 1024,
    timeout: 120_000,
  });
  const { counts, checked, broken } = JSON.parse(stdout) as Report;
  for (const [what, count] of Object.entries(counts)) tally.count(what, count);
  for (const [invariant, count] of Object.entries(checked)) tally.check(invariant as Invariant, count);
  for (const { invariant, what } of broken) tally.break({ invariant, what, directory: scene.directory });
}

function countRestarts(directory: string, tally: Tally): void {
  for (const line of readFileSync(join(directory, 'history.ndjson'), 'utf8').trimEnd().split('\n')) {
    const event = JSON.parse(line) as HistoryEvent;
    if (event.t !== 'ready') continue;
    tally.restarts++;
    tally.slowestRestartMs = Math.max(tally.slowestRestartMs, event.tookMs - event.waitedMs);
  }
}
