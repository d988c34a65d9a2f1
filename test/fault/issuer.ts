/** A real `./mayfly up` that can be made to fail at a named step. One process; whoever wants another starts one. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import type { Failpoint } from '../../src/runtime/failpoints.ts';
import { launcher } from '../integration/fixture.ts';

export interface Trap {
  readonly at: Failpoint;
  readonly action: 'kill' | 'pause' | `error ${string}` | `delay ${number}`;
  /** Passes before the first that counts. */
  readonly after?: number;
  readonly times?: number;
}

export interface IssuerOptions {
  readonly flags: readonly string[];
  /** Where it logs to. */
  readonly log: string;
  /** Where it runs, and leaves what a program leaves behind. */
  readonly cwd?: string;
  readonly traps?: readonly Trap[];
  readonly env?: Readonly<Record<string, string>>;
  /** Program and arguments to put before the launcher, which must become it. */
  readonly prefix?: readonly string[];
}

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class Issuer {
  readonly #process: ChildProcess;
  readonly #control: Duplex;
  readonly #startedAt = performance.now();
  readonly #answers: ((line: string) => void)[] = [];
  readonly #hits: Failpoint[] = [];
  #wake: (() => void) | undefined;
  #rest = '';
  #ending: Ending | undefined;
  readonly exited: Promise<Ending>;
  /** How long it took until it served; nothing where it ended before. */
  readonly ready: Promise<number | undefined>;

  constructor({ flags, log, cwd, traps = [], env = {}, prefix = [] }: IssuerOptions) {
    const [program = launcher, ...args] = [...prefix, launcher, 'up', ...flags];
    this.#process = spawn(program, args, {
      cwd,
      stdio: ['ignore', 'pipe', openSync(log, 'a', 0o600), 'pipe'],
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env, MAYFLY_FAILPOINTS: '3' },
    });
    this.exited = new Promise((resolve) => {
      this.#process.once('exit', (code, signal) => {
        this.#ending = { code, signal };
        this.#wake?.();
        for (const answer of this.#answers.splice(0)) answer('gone');
        resolve(this.#ending);
      });
    });
    const greeting = once(this.#process.stdout ?? process.stdin, 'data').then(
      () => performance.now() - this.#startedAt,
    );
    this.ready = Promise.race([greeting, this.exited.then(() => undefined)]);
    this.#control = this.#process.stdio[3] as Duplex;
    this.#control.on('error', () => undefined);
    this.#control.on('data', (bytes: Buffer) => this.#hear(bytes.toString()));
    for (const trap of traps) void this.#order(lineOf(trap));
    void this.#order('go');
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get waitedMs(): number {
    return waitedMs(this.pid) ?? 0;
  }

  get ended(): boolean {
    return this.#ending !== undefined;
  }

  /** The steps at which something was done to it, in order. */
  get hits(): readonly Failpoint[] {
    return this.#hits;
  }

  async arm(trap: Trap): Promise<void> {
    const answer = await this.#order(lineOf(trap));
    if (answer !== 'ok' && answer !== 'gone') throw new Error(answer);
  }

  async disarm(): Promise<void> {
    await this.#order('disarm');
  }

  async passes(): Promise<Readonly<Partial<Record<Failpoint, number>>>> {
    const answer = await this.#order('passes');
    return answer === 'gone' ? {} : JSON.parse(answer);
  }

  /** Waits until something has been done to it, or it has ended. */
  async hit(count: number, withinMs: number): Promise<boolean> {
    const late = performance.now() + withinMs;
    while (this.#hits.length < count && !this.ended) {
      const left = late - performance.now();
      if (left <= 0) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.#hits.length >= count;
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  #order(line: string): Promise<string> {
    if (this.ended) return Promise.resolve('gone');
    return new Promise((resolve) => {
      this.#answers.push(resolve);
      this.#control.write(`${line}\n`);
    });
  }

  #hear(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.startsWith('hit ')) this.#hits.push(line.slice(4) as Failpoint);
      else this.#answers.shift()?.(line);
    }
    this.#wake?.();
  }
}

/** How long a process's main thread could have run and others did (proc(5), schedstat). */
export function waitedMs(pid: number): number | undefined {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ')[1]) / 1e6;
  } catch {
    return undefined;
  }
}

const lineOf = ({ at, action, after = 0, times = 1 }: Trap): string => `arm ${at} ${after} ${times} ${action}`;
