/** A caller that follows a script of bytes instead of a protocol, and counts what the server makes of it. */
import net from 'node:net';
import { flag, frame, type } from './frames.ts';

/** What a script knows of its connection. */
export interface Talk {
  /** Streams that the server has ended, with an answer or a reset. */
  readonly ended: number;
}

/** Yields what to send next, or 'wait' until the server has said something. Ends: keep the connection and be silent. */
export type Script = (talk: Talk) => Generator<Buffer | 'wait', void, undefined>;

export interface Style {
  readonly script: Script;
  /** Most never read: what the server sends stays in its memory, or in the kernel's. */
  readonly reads: boolean;
  /** Cut connections are made again after this long; absent: never. */
  readonly againAfterMs?: number;
  /** Hangs up by itself after a random time of at most this long. */
  readonly hangsUpWithinMs?: number;
}

export interface Counts {
  connections: number;
  /** Connections that the server ended. */
  cut: number;
  /** Connections that could not be made. */
  failed: number;
  written: number;
  ended: number;
  resets: number;
  goaways: number;
}

export const newCounts = (): Counts => ({
  connections: 0,
  cut: 0,
  failed: 0,
  written: 0,
  ended: 0,
  resets: 0,
  goaways: 0,
});

export class Hostile implements Talk {
  ended = 0;
  readonly #path: string;
  readonly #style: Style;
  readonly #counts: Counts;
  readonly #socket: net.Socket;
  readonly #script: ReturnType<Script>;
  #rest: Buffer = Buffer.alloc(0);
  #full = false;
  #waiting = false;
  #over = false;
  /** Itself and those who come after it, one at a time. */
  readonly #line: Line;

  constructor(path: string, style: Style, counts: Counts, line: Line = { current: undefined, stopped: false }) {
    this.#line = line;
    line.current = this;
    this.#path = path;
    this.#style = style;
    this.#counts = counts;
    this.#script = style.script(this);
    this.#socket = net.connect({ path });
    this.#socket.on('connect', () => this.#connected());
    this.#socket.on('drain', () => this.#emptied());
    if (style.reads) this.#socket.on('data', (bytes) => this.#heard(bytes));
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.syscall === 'connect') counts.failed += 1;
    });
    this.#socket.on('close', () => this.#closed());
  }

  stop(): void {
    this.#line.stopped = true;
    this.#line.current?.end();
  }

  /** Ends this one; who comes after it is the line's affair. */
  end(): void {
    this.#over = true;
    this.#socket.destroy();
  }

  #connected(): void {
    this.#counts.connections += 1;
    if (!this.#style.reads) this.#socket.pause();
    if (this.#style.hangsUpWithinMs !== undefined) {
      setTimeout(() => this.#socket.destroy(), Math.random() * this.#style.hangsUpWithinMs);
    }
    this.#go();
  }

  #emptied(): void {
    this.#full = false;
    this.#go();
  }

  /** One chunk, then everybody else's turn: many connections of one attacker go on at the same time. */
  #go(): void {
    if (this.#over || this.#full || this.#socket.destroyed) return;
    const { value, done } = this.#script.next();
    if (done) return;
    this.#waiting = value === 'wait';
    if (value === undefined || value === 'wait') return;
    this.#counts.written += value.length;
    this.#full = !this.#socket.write(value);
    if (!this.#full) setImmediate(() => this.#go());
  }

  #heard(bytes: Buffer): void {
    let all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    while (all.length >= 9 && all.length >= 9 + all.readUIntBE(0, 3)) {
      this.#frame(all[3] ?? 0, all[4] ?? 0);
      if (all[3] === type.settings && all[4] !== flag.ack) this.#socket.write(frame(type.settings, flag.ack, 0));
      all = all.subarray(9 + all.readUIntBE(0, 3));
    }
    this.#rest = all;
    if (this.#waiting) this.#go();
  }

  #frame(kind: number, flags: number): void {
    if (kind === type.goaway) this.#counts.goaways += 1;
    if (kind === type.reset) this.#counts.resets += 1;
    if (kind !== type.reset && ((kind !== type.headers && kind !== type.data) || (flags & flag.endStream) === 0))
      return;
    this.ended += 1;
    this.#counts.ended += 1;
  }

  #closed(): void {
    if (!this.#over && this.#counts.connections > 0) this.#counts.cut += 1;
    this.#over = true;
    const { againAfterMs } = this.#style;
    if (this.#line.stopped || againAfterMs === undefined) return;
    setTimeout(() => !this.#line.stopped && this.#again(), againAfterMs);
  }

  #again(): void {
    new Hostile(this.#path, this.#style, this.#counts, this.#line);
  }
}

interface Line {
  current: Hostile | undefined;
  stopped: boolean;
}
