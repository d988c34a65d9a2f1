import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A pipe of the kernel, with both of its ends. */
export class Pipe implements Disposable {
  readonly path: string;
  readonly write: number;
  readonly #directory = mkdtempSync(join(tmpdir(), 'mayfly-pipe-'));
  #read: number;
  #text = '';

  constructor(flags = 0) {
    this.path = join(this.#directory, 'pipe');
    execFileSync('mkfifo', [this.path]);
    this.#read = openSync(this.path, constants.O_RDONLY | constants.O_NONBLOCK);
    this.write = openSync(this.path, constants.O_WRONLY | flags);
  }

  /** Everything that has come so far. */
  get text(): string {
    const piece = Buffer.alloc(65_536);
    try {
      for (let length = 1; length > 0; ) {
        length = readSync(this.#read, piece);
        this.#text += piece.toString('utf8', 0, length);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
    return this.#text;
  }

  /** From now on whoever writes must wait. Needs an end for writing that does not. */
  fill(): void {
    const piece = Buffer.alloc(4096, '\n');
    try {
      for (;;) writeSync(this.write, piece);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
  }

  hangUp(): void {
    closeSync(this.#read);
    this.#read = -1;
  }

  [Symbol.dispose](): void {
    closeSync(this.write);
    if (this.#read >= 0) closeSync(this.#read);
    rmSync(this.#directory, { recursive: true });
  }
}
