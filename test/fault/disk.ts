/** What a scene's data lies on: a plain directory, a disk whose power can be cut, or one that is soon full. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Disk {
  readonly path: string;
  close(): Promise<void>;
}

export function plainDisk(path: string): Disk {
  mkdirSync(path, { mode: 0o700 });
  return { path, close: async () => undefined };
}

/** A tmpfs of so many bytes. */
export function smallDisk(path: string, bytes: number): Disk {
  mkdirSync(path, { mode: 0o700 });
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=0700`, 'tmpfs', path]);
  return { path, close: async () => void execFileSync('umount', ['-l', path]) };
}

const program = fileURLToPath(new URL('lossyfs/bin/lossyfs', import.meta.url));

export function buildLossyfs(): void {
  execFileSync('go', ['build', '-o', 'bin/', '.'], { cwd: join(program, '../..'), stdio: 'inherit', timeout: 300_000 });
}

/** See lossyfs/main.go. */
export class LossyDisk implements Disk {
  readonly path: string;
  readonly #store: string;
  #daemon: ChildProcess | undefined;
  readonly #lines: string[] = [];
  #wake: (() => void) | undefined;

  constructor(path: string, store: string) {
    this.path = path;
    this.#store = store;
    if (!existsSync(path)) mkdirSync(path, { mode: 0o700 });
    mkdirSync(store, { mode: 0o700 });
  }

  async mount(): Promise<void> {
    const daemon = spawn(program, [this.#store, this.path], { stdio: ['pipe', 'pipe', 'inherit'] });
    daemon.stdin.on('error', () => undefined);
    daemon.stdout.on('data', (bytes: Buffer) => {
      this.#lines.push(...bytes.toString().split('\n').filter(Boolean));
      this.#wake?.();
    });
    daemon.once('exit', () => {
      this.#lines.push('it ended');
      this.#wake?.();
    });
    this.#daemon = daemon;
    this.#lines.length = 0;
    const line = await this.#line();
    if (line !== 'mounted') throw new Error(`lossyfs: ${line}`);
  }

  /** The power is gone. With a seed, the disk had already taken some of what nobody had waited for. */
  async cut(seed?: number): Promise<{ readonly names: number; readonly writes: number }> {
    const gone = new Promise((resolve) => this.#daemon?.once('exit', resolve));
    this.#daemon?.stdin?.write(seed === undefined ? 'cut\n' : `cut ${seed}\n`);
    const line = await this.#line();
    const [, names, writes] = /^cut (\d+) names (\d+) writes$/.exec(line) ?? [];
    if (names === undefined) throw new Error(`lossyfs: ${line}`);
    await gone;
    return { names: Number(names), writes: Number(writes) };
  }

  async close(): Promise<void> {
    await this.cut();
  }

  async #line(): Promise<string> {
    while (this.#lines.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#lines.shift() ?? '';
  }
}
