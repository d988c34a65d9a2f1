/**
 * A Unix socket that we own: taken over when its last owner was killed, never stolen from one that lives, in a
 * directory where nobody else can put another in its place (SE-06, EP-34, EP-35).
 */
import { chmodSync, closeSync, lstatSync, mkdirSync, openSync, type Stats, unlinkSync } from 'node:fs';
import net from 'node:net';
import { dirname, resolve } from 'node:path';
import { IdentityError } from '../errors.ts';
import { tryLock } from './kernel.ts';

export interface UnixSocketOptions {
  readonly path: string;
  /** 0o666: every local user may connect, attestation is the gate. 0o600: the operator alone. */
  readonly mode: 0o666 | 0o600;
  readonly accept: (socket: net.Socket) => void;
}

export interface UnixSocket {
  readonly path: string;
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
  prepareDirectory(dirname(path), options.mode === 0o666 ? 0o755 : 0o700);
  const lock = takeLock(path);
  try {
    await removeStale(path);
    const server = await listen(path, options.accept);
    chmodSync(path, options.mode);
    const close = (): void => {
      server.close();
      closeSync(lock);
    };
    return { path, close };
  } catch (error) {
    closeSync(lock);
    throw error;
  }
}

/** The first directory on the way to `path` that other users cannot pass, so that a socket there is for the owner alone. */
export function closedDirectory(path: string): string | undefined {
  for (let at = dirname(path); at !== dirname(at); at = dirname(at)) if ((lstatSync(at).mode & 0o001) === 0) return at;
  return undefined;
}

/** Whoever may write the directory, or one above it, may put a socket of their own there and feed callers false roots. */
function prepareDirectory(directory: string, mode: number): void {
  if (mkdirSync(directory, { recursive: true, mode }) !== undefined) chmodSync(directory, mode);
  for (let at = directory, leaf = true; ; at = dirname(at), leaf = false) {
    const stats = lstatSync(at);
    if (!stats.isDirectory()) throw refusal(`${at} is not a directory; a socket path may not lead through a link`);
    const fault = faultOf(stats, leaf);
    if (fault !== undefined) throw refusal(`the socket directory ${at} ${fault}; choose another, or: chmod go-w ${at}`);
    if (at === dirname(at)) return;
  }
}

function faultOf(stats: Stats, leaf: boolean): string | undefined {
  const sticky = (stats.mode & 0o1000) !== 0;
  if (stats.uid !== 0 && stats.uid !== process.geteuid?.()) return `belongs to uid ${stats.uid}`;
  if ((stats.mode & 0o022) !== 0 && (leaf || !sticky)) return 'can be written by others';
  return undefined;
}

/** The lock dies with its holder, so a killed owner leaves none behind. */
function takeLock(path: string): number {
  const fd = openSync(`${path}.lock`, 'a', 0o600);
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

const listen = (path: string, accept: (socket: net.Socket) => void): Promise<net.Server> =>
  new Promise((resolveServer, reject) => {
    const server = net.createServer(accept);
    server.once('error', (cause) => reject(refusal(`cannot listen on ${path}: ${cause.message}`, cause)));
    server.listen({ path, backlog: 4096 }, () => {
      server.removeAllListeners('error');
      // An accept that fails for want of descriptors is not the end: Node tries again with the next connection.
      server.on('error', () => undefined);
      resolveServer(server);
    });
  });

/** The descriptor under a connection, which Node keeps to itself and the kernel calls need. */
export function descriptorOf(socket: net.Socket): number {
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  if (typeof fd !== 'number' || fd < 0) throw new IdentityError('unavailable', 'the connection is closed');
  return fd;
}

const refusal = (message: string, cause?: unknown): IdentityError =>
  new IdentityError('failed-precondition', message, { cause });
