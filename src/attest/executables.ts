/** SHA-256 of running executables, each hashed once per version, off the event loop, within a size limit. */
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, fstatSync } from 'node:fs';
import type { PeerProcess } from '../runtime/peer.ts';

/** Distinct executables remembered; the oldest is forgotten first. */
const cacheSize = 1024;

export class ExecutableHashes {
  readonly #limit: number;
  readonly #known = new Map<string, Promise<string | undefined>>();
  /** One file at a time: a caller with many large binaries waits for itself, not everybody for it. */
  #queue: Promise<unknown> = Promise.resolve();

  /** @param limit largest executable that is hashed, in bytes */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Lower-case hex, or undefined when the file is over the limit. */
  of(process: PeerProcess): Promise<string | undefined> {
    const { fd, identity } = process.openExecutable();
    const known = this.#known.get(identity);
    if (known !== undefined) {
      closeSync(fd);
      return known;
    }
    const hash = this.#queue.then(() => this.#hash(fd));
    this.#queue = hash.catch(() => undefined);
    this.#remember(identity, hash);
    return hash;
  }

  #remember(identity: string, hash: Promise<string | undefined>): void {
    this.#known.set(identity, hash);
    hash.catch(() => this.#known.delete(identity));
    if (this.#known.size > cacheSize) this.#known.delete(this.#known.keys().next().value ?? '');
  }

  async #hash(fd: number): Promise<string | undefined> {
    if (fstatSync(fd).size > this.#limit) {
      closeSync(fd);
      return undefined;
    }
    const hash = createHash('sha256');
    for await (const chunk of createReadStream('', { fd, highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
    return hash.digest('hex');
  }
}
