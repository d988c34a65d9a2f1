/**
 * A Unix socket that we own: taken over when its last owner was killed, never stolen from one that lives, in a
 * directory where nobody else can put another in its place (SE-06, EP-34, EP-35).
 */
import { closeSync, fstatSync, lstatSync, openSync, type Stats, unlinkSync } from 'node:fs';
import net from 'node:net';
import { dirname, resolve } from 'node:path';
import { IdentityError } from '../errors.ts';
import { elapsed, systemClock } from './clock.ts';
import { failpoint } from './failpoint.ts';
import { acceptNext, noteWriters, tryLock } from './kernel.ts';
import { prepareDirectory, type SocketMode } from './socket-directory.ts';
import { descriptorOf, handleOf, pausedSocket } from './socket-handle.ts';

export interface UnixSocketOptions {
  readonly path: string;
  readonly mode: SocketMode;
  /** May this connection come in? Asked of its descriptor, before anything is made of it; absent: all may. */
  readonly screen?: (descriptor: number) => boolean;
  /** Is given a socket that nobody reads yet: what waits on it still has the label of its writer. */
  readonly accept: (socket: net.Socket) => void;
  /** Told once of each thing that happens to the socket file or to a directory above it. */
  readonly report?: (problem: string) => void;
}

export interface UnixSocket {
  readonly path: string;
  /** What is wrong with the place of the socket, for as long as it is, and a few seconds more. */
  readonly problem: string | undefined;
  /** Stops accepting and removes the socket file. Connections that are open stay open. */
  close(): void;
}

/** sun_path holds 108 bytes with its final zero. */
const longestPath = 107;

export async function listenUnix(options: UnixSocketOptions): Promise<UnixSocket> {
  const path = resolve(options.path);
  if (Buffer.byteLength(path) > longestPath) {
    throw refusal(`the socket path ${path} is longer than ${longestPath} bytes; choose a shorter one`);
  }
  prepareDirectory(dirname(path), options.mode);
  const lock = takeLock(path);
  try {
    failpoint('socket.locked');
    await removeStale(path);
    const server = await listen({ ...options, path });
    failpoint('socket.bound');
    return new GuardedSocket({ ...options, path }, lock, server);
  } catch (error) {
    closeSync(lock);
    throw error;
  }
}

/** How often the place is looked at (fault 30: noticed within 5 s), and how long what was mended is still told. */
const lookMs = 1000;
const toldMs = 5000;

/** While it listens, its name is its own: removed or replaced, it is bound again; open connections do not notice. */
class GuardedSocket implements UnixSocket {
  readonly path: string;
  readonly #options: UnixSocketOptions;
  #lock: number;
  #server: net.Server;
  #file: string;
  #problem: { readonly text: string; readonly at: number } | undefined;
  #timer: Disposable;
  #closed = false;

  constructor(options: UnixSocketOptions, lock: number, server: net.Server) {
    this.path = options.path;
    this.#options = options;
    this.#lock = lock;
    this.#server = server;
    this.#file = fileAt(this.path);
    this.#timer = systemClock.after(lookMs, () => void this.#look());
  }

  get problem(): string | undefined {
    return this.#problem?.text;
  }

  close(): void {
    this.#closed = true;
    this.#timer[Symbol.dispose]();
    this.#server.close();
    closeSync(this.#lock);
  }

  async #look(): Promise<void> {
    const mended = await this.#mend().catch((error: unknown) => this.#tell(messageOf(error)));
    if (this.#closed) return void this.#server.close();
    if (mended !== undefined) {
      this.#problem = undefined;
      this.#tell(mended);
    } else if (this.#problem !== undefined && elapsed() - this.#problem.at > toldMs) this.#problem = undefined;
    this.#timer = systemClock.after(lookMs, () => void this.#look());
  }

  /** What goes on is reported once. */
  #tell(text: string): undefined {
    if (text !== this.#problem?.text) this.#options.report?.(text);
    this.#problem = { text, at: elapsed() };
  }

  /** @returns what was wrong; throws what still is: where others may write, nothing is safe to bind. */
  async #mend(): Promise<string | undefined> {
    prepareDirectory(dirname(this.path), this.#options.mode);
    const { path } = this;
    if (fileAt(path) === this.#file) {
      const mode = lstatSync(path).mode & 0o777;
      if ((mode & ~this.#options.mode) === 0) return undefined;
      throw refusal(
        `the socket ${path} has mode ${mode.toString(8)}; set it right: chmod ${this.#options.mode.toString(8)} ${path}`,
      );
    }
    if (fileAt(lockOf(path)) !== fileOf(fstatSync(this.#lock))) {
      const lock = takeLock(path);
      closeSync(this.#lock);
      this.#lock = lock;
    }
    // First: whoever closes a listening socket removes what lies at its name, whosever it is.
    this.#server.close();
    this.#server = await listen(this.#options);
    this.#file = fileAt(path);
    return `the socket ${path} was removed or replaced, and has been bound again`;
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Which file a name stands for; ours cannot be another's while it is open. */
function fileAt(path: string): string {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats === undefined ? '' : fileOf(stats);
}

const fileOf = ({ dev, ino }: Stats): string => `${dev}:${ino}`;

const lockOf = (path: string): string => `${path}.lock`;

/** The lock dies with its holder, so a killed owner leaves none behind. */
function takeLock(path: string): number {
  const fd = openSync(lockOf(path), 'a', 0o600);
  if (tryLock(fd)) return fd;
  closeSync(fd);
  throw refusal(`another mayfly serves ${path}; stop it first, or choose another path with --socket`);
}

async function removeStale(path: string): Promise<void> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isSocket()) throw refusal(`${path} exists and is not a socket; remove it, or choose another path`);
  if (await answers(path)) throw refusal(`another program listens on ${path}; stop it first, or choose another path`);
  unlinkSync(path);
}

const answers = (path: string): Promise<boolean> =>
  new Promise((resolveAnswer) => {
    const probe = net.connect(path);
    probe.once('connect', () => resolveAnswer(true));
    probe.once('error', () => resolveAnswer(false));
    probe.once('connect', () => probe.destroy());
  });

/** Taken at once when connections come faster than one in each turn of the event loop, which is all that Node takes. */
const acceptAtOnce = 64;

/** A question about one connection that the kernel does not answer, or a mistake of ours about it, ends that one alone. */
function take(socket: net.Socket, accept: UnixSocketOptions['accept'], report: (problem: string) => void): void {
  try {
    accept(socket);
  } catch (error) {
    socket.destroy();
    report(`a connection was cut, because it could not be taken: ${messageOf(error)}`);
  }
}

function comesIn(descriptor: number, screen: (descriptor: number) => boolean): boolean {
  try {
    return screen(descriptor);
  } catch {
    return false;
  }
}

const listen = (options: UnixSocketOptions): Promise<net.Server> =>
  new Promise((resolveServer, reject) => {
    const { path, mode, accept, screen = () => true, report = () => undefined } = options;
    const server = net.createServer({ pauseOnConnect: true }, (first) => {
      if (comesIn(descriptorOf(first), screen)) take(first, accept, report);
      else first.destroy();
      for (let count = 1; count < acceptAtOnce && server.listening; count++) {
        const descriptor = acceptNext(handleOf(server).fd);
        if (descriptor < 0) return;
        if (comesIn(descriptor, screen)) take(pausedSocket(descriptor), accept, report);
        else closeSync(descriptor);
      }
    });
    server.once('error', (cause) => reject(refusal(`cannot listen on ${path}: ${cause.message}`, cause)));
    server.once('listening', () => {
      server.removeAllListeners('error');
      // An accept that fails for want of descriptors is not the end: Node tries again with the next connection.
      server.on('error', () => undefined);
      resolveServer(server);
    });
    // The file is made with its mode, before `listen` returns: to change it by name would be to follow a link.
    const before = process.umask(0o777 & ~mode);
    server.listen({ path, backlog: 4096 });
    process.umask(before);
    // At once: who connects before this has no label, and is cut.
    if (server.listening) noteWriters(handleOf(server).fd);
  });

const refusal = (message: string, cause?: unknown): IdentityError =>
  new IdentityError('failed-precondition', message, { cause });
