/** SHA-256 of running executables: each once per version, within a size limit, users in turn, off the event loop. */
import { type BigIntStats, closeSync, fstatSync } from 'node:fs';
import { systemClock } from '../runtime/clock.ts';
import { FileHasher } from '../runtime/file-hash.ts';
import type { PeerProcess } from '../runtime/peer.ts';
import { Turns } from './turns.ts';

/** Distinct executables remembered; the oldest is forgotten first. */
const remembered = 1024;
/** Executables of one user that may wait to be hashed; each holds a descriptor. */
const waitingPerUser = 16;
/** Whoever has waited so long goes without: a file system that hangs must not hang its caller. */
const patienceMs = 10_000;
/** Files hashed at one time, each of another user. */
const lanes = 2;
/** A read that has not come back by then is given up, and its thread with it: nobody else waits behind it. */
const giveUpMs = 30_000;
/** Threads that were given up and have not come back. With so many, nothing is hashed: whatever is mounted here hangs. */
const mostLost = 8;
/** A file's times have the grain of a clock tick: one that changed this recently may change again and keep them. */
const settledMs = 1000;

/** `FileHasher`, or one that a test can hold up. */
export interface Hasher {
  sha256(fd: number, size: number): Promise<string>;
  /** Nothing more is asked of it. */
  abandon(): void;
}

export interface HashingOptions {
  readonly newHasher?: () => Hasher;
  readonly giveUpMs?: number;
}

export class ExecutableHashes {
  readonly #limit: number;
  readonly #options: Required<HashingOptions>;
  readonly #known = new Map<string, string>();
  readonly #turns = new Turns<number>(waitingPerUser, lanes);
  readonly #idle: Hasher[] = [];
  #lost = 0;

  /** @param limit largest executable that is hashed, in bytes */
  constructor(limit: number, options: HashingOptions = {}) {
    this.#limit = limit;
    this.#options = { newHasher: () => new FileHasher(), giveUpMs, ...options };
  }

  /** Lower-case hex; undefined when the file is over the limit or could not be hashed in time. */
  async of(process: PeerProcess): Promise<string | undefined> {
    const fd = process.openExecutable();
    const known = this.#known.get(versionOf(fstatSync(fd, { bigint: true })));
    if (known !== undefined) {
      closeSync(fd);
      return known;
    }
    const hash = this.#turns.take(process.ids.uid, () => this.#hash(process, fd));
    if (hash === undefined) closeSync(fd);
    return hash === undefined ? undefined : within(patienceMs, hash);
  }

  /** The descriptor is ours to close, whatever happens. A caller that has gone meanwhile is not worked for. */
  async #hash(process: PeerProcess, fd: number): Promise<string | undefined> {
    try {
      const before = fstatSync(fd, { bigint: true });
      if (before.size > this.#limit || process.sameness() !== 'same') return undefined;
      const known = this.#known.get(versionOf(before));
      if (known !== undefined) return known;
      const hash = await this.#sha256(fd, Number(before.size));
      if (hash === undefined) return undefined;
      const after = fstatSync(fd, { bigint: true });
      if (versionOf(after) !== versionOf(before)) return undefined;
      if (Math.abs(systemClock.now() - Number(after.ctimeMs)) > settledMs) this.#remember(versionOf(after), hash);
      return hash;
    } finally {
      closeSync(fd);
    }
  }

  async #sha256(fd: number, size: number): Promise<string | undefined> {
    if (this.#lost >= mostLost) return undefined;
    const hasher = this.#idle.pop() ?? this.#options.newHasher();
    const digest = hasher.sha256(fd, size);
    const settled = (): true => true;
    if ((await within(this.#options.giveUpMs, digest.then(settled, settled))) === undefined) {
      this.#giveUp(hasher, digest);
      return undefined;
    }
    this.#idle.push(hasher);
    return digest;
  }

  #giveUp(hasher: Hasher, digest: Promise<string>): void {
    this.#lost += 1;
    hasher.abandon();
    const back = (): void => {
      this.#lost -= 1;
    };
    digest.then(back, back);
  }

  #remember(version: string, hash: string): void {
    this.#known.set(version, hash);
    if (this.#known.size > remembered) this.#known.delete(this.#known.keys().next().value ?? '');
  }
}

/** The owner of a file can set its mtime to what it was; nobody can set its ctime. */
const versionOf = ({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string =>
  [dev, ino, size, mtimeNs, ctimeNs].join(':');

/** What the promise says, or undefined when it has said nothing by then. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  using _timer = systemClock.after(ms, () => late.resolve(undefined));
  return await Promise.race([promise, late.promise]);
}
