/** A real `./mayfly up` in a directory of its own, with everything it started gone when the test is over. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Operator } from './admin.ts';
import { startWorkload, type Workload } from './workload.ts';

export const launcher = fileURLToPath(new URL('../../mayfly', import.meta.url));

export interface MayflyOptions {
  readonly trustDomain?: string;
  readonly flags?: readonly string[];
  /** Start again in the directory of a server that has ended. */
  readonly directory?: string;
  /** Program and arguments to put before the launcher, `unshare` for one. */
  readonly prefix?: readonly string[];
  /** What ends it when the test is over; SIGTERM unless something between us and it would keep that. */
  readonly stopSignal?: NodeJS.Signals;
  /** Leave a new directory without a person. */
  readonly nobodyYet?: boolean;
  /** Do not wait until it serves. */
  readonly impatient?: boolean;
}

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts a server and waits until both of its sockets answer. One person, ada, is there already in a new directory. */
export async function startMayfly(options: MayflyOptions = {}): Promise<Mayfly> {
  const mayfly = new Mayfly(options.directory ?? newDirectory(), options);
  if (options.impatient) return mayfly;
  try {
    await mayfly.ready();
    if (options.directory === undefined && !options.nobodyYet) await mayfly.operator.addPerson('ada');
  } catch (error) {
    await mayfly[Symbol.asyncDispose]();
    throw error;
  }
  return mayfly;
}

/** Others may pass through it to the socket; the admin socket has a directory of its own. */
export function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'mayfly-'));
  chmodSync(directory, 0o755);
  mkdirSync(join(directory, 'run'));
  chmodSync(join(directory, 'run'), 0o755);
  mkdirSync(join(directory, 'admin'), { mode: 0o700 });
  return directory;
}

export class Mayfly implements AsyncDisposable {
  readonly directory: string;
  readonly trustDomain: string;
  readonly process: ChildProcess;
  readonly exited: Promise<number | null>;
  readonly #stopSignal: NodeJS.Signals;
  #output = '';
  #operator: Operator | undefined;
  readonly #workloads: Workload[] = [];

  constructor(directory: string, options: MayflyOptions) {
    this.directory = directory;
    this.trustDomain = options.trustDomain ?? 'example.org';
    this.#stopSignal = options.stopSignal ?? 'SIGTERM';
    const [program = launcher, ...args] = [...(options.prefix ?? []), launcher, ...this.#arguments(options)];
    this.process = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.exited = new Promise((resolve) => {
      this.process.once('exit', (code) => resolve(code));
      this.process.once('error', () => resolve(null));
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.on('data', (text: Buffer) => {
        this.#output += text.toString();
      });
    }
  }

  /** Everything it has printed and logged. */
  get output(): string {
    return this.#output;
  }
  get pid(): number {
    return this.process.pid ?? 0;
  }
  get socket(): string {
    return join(this.directory, 'run', 'api.sock');
  }
  get endpoint(): string {
    return `unix://${this.socket}`;
  }
  get adminSocket(): string {
    return join(this.directory, 'admin', 'admin.sock');
  }
  get dataDirectory(): string {
    return join(this.directory, 'data');
  }

  get operator(): Operator {
    this.#operator ??= new Operator(this.adminSocket);
    return this.#operator;
  }

  /** A process under `uid`, ended with the server. */
  async workload(uid: number, gid = uid): Promise<Workload> {
    const workload = await startWorkload(this.endpoint, uid, gid);
    this.#workloads.push(workload);
    return workload;
  }

  /** Runs one command of the real command line. */
  command(...args: string[]): Promise<Outcome> {
    const env = { ...process.env, MAYFLY_ADMIN_SOCKET: this.adminSocket, SPIFFE_ENDPOINT_SOCKET: this.endpoint };
    return run(launcher, args, { env });
  }

  async ready(): Promise<void> {
    const ended = this.exited.then((code) => {
      throw new Error(`mayfly ended with ${code} before it was ready:\n${this.output}`);
    });
    ended.catch(() => undefined);
    await Promise.race([Promise.all([connectable(this.socket), connectable(this.adminSocket)]), ended]);
  }

  /** Asks it to stop, and waits. */
  async stop(signal = this.#stopSignal, withinMs = 30_000): Promise<number | null> {
    this.process.kill(signal);
    const timer = setTimeout(() => this.process.kill('SIGKILL'), withinMs);
    const code = await this.exited;
    clearTimeout(timer);
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workloads.map((workload) => workload[Symbol.asyncDispose]()));
    this.#operator?.[Symbol.dispose]();
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #arguments(options: MayflyOptions): string[] {
    const where = ['--data-dir', this.dataDirectory, '--socket', this.socket, '--admin-socket', this.adminSocket];
    return ['up', '--trust-domain', this.trustDomain, ...where, ...(options.flags ?? [])];
  }
}

export function run(program: string, args: readonly string[], options: object = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    const limits = { encoding: 'utf8' as const, timeout: 60_000, maxBuffer: 64 * 1024 * 1024 };
    execFile(program, args, { ...limits, ...options }, (error, stdout, stderr) => {
      const status = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({
        status,
        stdout: String(stdout),
        stderr: status === -1 ? `${stderr}${error?.message}` : String(stderr),
      });
    });
  });
}

/** Resolves when somebody there has looked at a connection, be it to cut it. */
async function connectable(path: string, withinMs = 60_000): Promise<void> {
  for (const late = performance.now() + withinMs; performance.now() < late; await pause(20)) {
    const answered = await new Promise<boolean>((resolve) => {
      let connected = false;
      const probe = net.connect(path, () => {
        connected = probe.write(http2Preface);
      });
      probe.once('error', () => undefined);
      probe.once('data', () => probe.destroy());
      probe.once('close', () => resolve(connected));
    });
    if (answered) return;
  }
  throw new Error(`nothing listens on ${path} after ${withinMs} ms`);
}

/** The preface, and empty settings (RFC 9113 section 3.4). */
const http2Preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0';

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `met` holds; says what it was waiting for when it does not. */
export async function until(what: string, met: () => boolean | Promise<boolean>, withinMs = 30_000): Promise<void> {
  for (const late = performance.now() + withinMs; performance.now() < late; await pause(25)) {
    if (await met()) return;
  }
  throw new Error(`${what}: not within ${withinMs} ms`);
}

/** The first of a list that must not be empty. */
export function first<T>(items: readonly T[]): T {
  const [item] = items;
  if (item === undefined) throw new Error('nothing there');
  return item;
}
