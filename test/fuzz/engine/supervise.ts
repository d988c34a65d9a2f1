/** Starts the process of a target, watches that it moves, and says what it was doing when it did not. */
import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Witness } from './attempt.ts';
import type { Order, Result } from './worker.ts';

/** So much of a core's time on one input is a hang; on a busy machine others may have had the core. */
const hungMs = 5_000;
/** Whoever waits for what never comes needs no core. */
const stillMs = 60_000;
/** Loading, and writing down the result, take their time on a busy machine. */
const startMs = 120_000;
const heapMegabytes = 1024;

export async function supervise(order: Omit<Order, 'witness'>): Promise<Result> {
  const directory = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'mayfly-fuzz-'));
  const witness = join(directory, 'witness');
  try {
    return await outcomeOf({ ...order, witness });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function outcomeOf(order: Order): Promise<Result> {
  const file = join(order.witness, '..', 'order.json');
  writeFileSync(file, JSON.stringify(order));
  const child = fork(join(import.meta.dirname, 'worker.ts'), [file], {
    execArgv: [`--max-old-space-size=${heapMegabytes}`, '--disable-warning=ExperimentalWarning'],
    env: { ...process.env, TMPDIR: join(order.witness, '..') },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      said = `${said}${chunk}`.slice(-4_000);
    });
  return new Promise((resolve) => {
    const watch = watchdog(child, order);
    const ended = (result: Result): void => {
      clearInterval(watch.timer);
      resolve(result);
    };
    child.once('message', (result) => ended(result as Result));
    child.once('exit', (code, signal) => {
      const end = signal === 'SIGKILL' ? 'SIGKILL: out of memory, or killed by somebody' : (signal ?? code);
      const how = watch.hung
        ? `does not come back within ${hungMs / 1000} s of a core, or ${stillMs / 1000} s`
        : `ends the process (${end})`;
      ended(failed(order, `${how}\n${said}`));
    });
  });
}

/** Each input is written down before it is tried: a count that stands still is an input that does not come back. */
function watchdog(child: ChildProcess, { witness }: Order): { readonly timer: NodeJS.Timeout; hung: boolean } {
  let [seen, since, spent] = [-1, performance.now(), 0];
  const timer = setInterval(() => {
    const count = existsSync(witness) ? Witness.read(witness).count : 0;
    if (count !== seen) [seen, since, spent] = [count, performance.now(), spentMs(child)];
    const [stoodStill, busy] = [performance.now() - since, spentMs(child) - spent];
    if (count === 0 ? stoodStill < startMs : busy < hungMs && stoodStill < stillMs) return;
    state.hung = true;
    child.kill('SIGKILL');
  }, 250);
  const state = { timer, hung: false };
  return state;
}

/** Time of a core that it has had: fields 14 and 15 of /proc/PID/stat, in hundredths of a second. */
function spentMs({ pid }: ChildProcess): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? [];
    return 10 * (Number(fields[11]) + Number(fields[12]));
  } catch {
    return 0;
  }
}

function failed({ witness }: Order, what: string): Result {
  const { count, input } = existsSync(witness) ? Witness.read(witness) : { count: 0, input: Buffer.alloc(0) };
  const findings = [{ what, input: input.toString('hex') }];
  return { executions: count, accepted: 0, corpus: 0, reached: 0, code: 0, findings };
}
