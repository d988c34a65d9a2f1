/**
 * Lines for a reader who may be slow, stopped or gone. Whoever writes them never waits: what the reader does not take now
 * is kept up to a limit, and what finds no room is counted and told of later. A log that can stop its process hands every
 * caller who causes lines a way to stop it (R-NET-5).
 */
import { writeSync } from 'node:fs';
import { systemClock } from './clock.ts';
import { isWritable } from './kernel.ts';

/** As much as a pipe takes at once when it takes anything (PIPE_BUF, pipe(7)). */
const pieceBytes = 4096;
/** Kept for a slow reader. */
const mostBytes = 1024 * 1024;
/** Until the reader is asked again. */
const againMs = 20;
/** For the last lines of a process that ends. */
const farewellMs = 500;

export interface LineWriterOptions {
  readonly mostBytes?: number;
  /** The line that tells how many were lost. */
  readonly lost: (lines: number) => string;
}

/** What waits to be written. */
interface Waiting {
  rest: Buffer;
  /** Of how many lost lines it tells; 0: it is a line itself. */
  readonly tells: number;
}

export class LineWriter {
  readonly #descriptor: number;
  readonly #most: number;
  readonly #lostLine: LineWriterOptions['lost'];
  readonly #waiting: Waiting[] = [];
  #bytes = 0;
  #lost = 0;
  #untold = 0;
  #timer: Disposable | undefined;

  constructor(descriptor: number, options: LineWriterOptions) {
    this.#descriptor = descriptor;
    this.#most = options.mostBytes ?? mostBytes;
    this.#lostLine = options.lost;
  }

  /** Lines that nobody will read. */
  get lost(): number {
    return this.#lost;
  }

  write(line: string): void {
    this.#drain();
    const bytes = Buffer.from(line);
    if (this.#bytes + bytes.length > this.#most) this.#lose(0);
    else this.#keep(bytes, 0);
    this.#drain();
    if (this.#waiting.length > 0) this.#timer ??= systemClock.after(againMs, () => this.#again());
  }

  /** What waits, as far as the reader takes it soon; for the end of the process. */
  flush(): void {
    const end = performance.now() + farewellMs;
    do this.#drain(Math.max(0, end - performance.now()));
    while (this.#waiting.length > 0 && performance.now() < end);
  }

  #again(): void {
    this.#timer = undefined;
    this.#drain();
    if (this.#waiting.length > 0) this.#timer = systemClock.after(againMs, () => this.#again());
  }

  #keep(rest: Buffer, tells: number): void {
    this.#waiting.push({ rest, tells });
    this.#bytes += rest.length;
  }

  /** A line, or the telling of so many: they have been counted, and nobody knows of them yet. */
  #lose(tells: number): void {
    if (tells === 0) this.#lost += 1;
    this.#untold += tells || 1;
  }

  /** Piece by piece while the reader takes them, for which it is given `waitMs` once. */
  #drain(waitMs = 0): void {
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      if (!isWritable(this.#descriptor, waitMs)) return;
      const written = this.#write(next.rest.subarray(0, pieceBytes));
      if (written === undefined) return;
      this.#bytes -= written;
      next.rest = next.rest.subarray(written);
      if (next.rest.length === 0) this.#waiting.shift();
    }
  }

  /** What is to be written next; when all is, how much never will be. */
  #next(): Waiting | undefined {
    if (this.#waiting.length === 0 && this.#untold > 0) {
      const lines = this.#untold;
      this.#untold = 0;
      this.#keep(Buffer.from(this.#lostLine(lines)), lines);
    }
    return this.#waiting[0];
  }

  /** @returns undefined: not now */
  #write(piece: Buffer): number | undefined {
    try {
      return writeSync(this.#descriptor, piece);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined;
      // The reader has gone, or the disk is full: there is nobody whom this could be told.
      for (const { tells } of this.#waiting.splice(0)) this.#lose(tells);
      this.#bytes = 0;
      return undefined;
    }
  }
}
