/** The directory that holds everything mayfly knows: private, locked while in use, with the two keys that seal it. */
import { createHmac } from 'node:crypto';
import { closeSync, existsSync, openSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { IdentityError } from '../errors.ts';
import { failpoint } from './failpoint.ts';
import { ensurePrivateDirectory, readPrivateFile, storageError, writeFileAtomic } from './files.ts';
import { tryLock } from './kernel.ts';
import type { Random } from './random.ts';

export interface DataDirectory {
  readonly path: string;
  /** Seals the rows of the registry. */
  readonly registryKey: Buffer;
  /** Seals the head of the ledger. */
  readonly ledgerKey: Buffer;
  /** Nothing was ever kept here before this start. */
  readonly fresh: boolean;
  /** The newest version of the registry that `remember` was told of: an older file is not the whole story. */
  readonly registryVersion: number;
  /** What is to be remembered has happened already: where the disk does not take it now, the next one is tried. */
  remember(registryVersion: number): void;
  /** Why the last one is not remembered, or the next change may not fit. */
  readonly problem: string | undefined;
  release(): void;
}

const sealBytes = 32;

/** @throws IdentityError 'failed-precondition' when another process holds it, or others could read it */
export function openDataDirectory(path: string, random: Random): DataDirectory {
  ensurePrivateDirectory(path);
  const lock = lockFile(join(path, 'lock'));
  try {
    failpoint('data.locked');
    ensurePrivateDirectory(join(path, 'keys'));
    // The head, not the directory around it: a first start that was cut off between the two has kept nothing yet.
    const used = existsSync(join(path, 'registry.db')) || existsSync(join(path, 'ledger', 'head'));
    const seal = (name: string): Buffer => readSeal(join(path, 'keys', name), used, random);
    const registryKey = seal('registry.seal');
    const version = new SealedNumber(join(path, 'registry.version'), registryKey);
    return {
      path,
      registryKey,
      ledgerKey: seal('ledger.seal'),
      fresh: !used,
      registryVersion: version.read(),
      remember: (number) => version.write(number),
      get problem() {
        return version.problem ?? wantOfRoom(path);
      },
      release: () => closeSync(lock),
    };
  } catch (error) {
    closeSync(lock);
    throw error;
  }
}

/** A change of the registry and its records take some tens of KiB, twice as much while they are under way. */
const leastRoomBytes = 256 * 1024;

function wantOfRoom(path: string): string | undefined {
  try {
    const { bavail, bsize } = statfsSync(path);
    if (bavail * bsize >= leastRoomBytes) return undefined;
    return `the disk of ${path} is full but for ${bavail * bsize} bytes: free space; nothing needs a restart`;
  } catch (error) {
    return `the disk of ${path} cannot be asked: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** A number that only this mayfly can have written. Beside the database, so that a database cut short is noticed. */
class SealedNumber {
  #problem: string | undefined;
  /** What could not be written. */
  #owed: number | undefined;
  readonly #path: string;
  readonly #key: Buffer;

  constructor(path: string, key: Buffer) {
    this.#path = path;
    this.#key = key;
  }

  /** 0 when none was ever written. */
  read(): number {
    if (!existsSync(this.#path)) return 0;
    const text = readPrivateFile(this.#path, 1024).toString('latin1');
    const number = Number(/^\d{1,15}(?= )/.exec(text)?.[0]);
    if (text === this.#line(number)) return number;
    const what = `${this.#path} is damaged, or keys/registry.seal is`;
    throw new IdentityError('data-loss', `${what}; put both back from a backup of this directory`);
  }

  /** Why it is not on the disk. Whoever asks makes it try again: the disk may have got room since. */
  get problem(): string | undefined {
    if (this.#owed !== undefined) this.write(this.#owed);
    return this.#problem;
  }

  write(number: number): void {
    try {
      writeFileAtomic(this.#path, this.#line(number));
      this.#problem = undefined;
      this.#owed = undefined;
    } catch (error) {
      this.#problem = error instanceof Error ? error.message : String(error);
      this.#owed = number;
    }
  }

  #line(number: number): string {
    return `${number} ${createHmac('sha256', this.#key).update(`registry.version ${number}`).digest('hex')}\n`;
  }
}

function lockFile(path: string): number {
  const fd = open(path);
  if (tryLock(fd)) return fd;
  closeSync(fd);
  throw new IdentityError(
    'failed-precondition',
    `another mayfly uses ${path.slice(0, -'/lock'.length)}; stop it first`,
  );
}

function open(path: string): number {
  try {
    return openSync(path, 'a', 0o600);
  } catch (error) {
    throw storageError(error, `cannot open ${path}`);
  }
}

/** Made once, at the very first start. Missing later, nothing that it sealed can be believed. */
function readSeal(path: string, used: boolean, random: Random): Buffer {
  if (!existsSync(path)) {
    if (used) throw new IdentityError('data-loss', `${path} is missing; put it back from a backup of this directory`);
    writeFileAtomic(path, random.bytes(sealBytes).toString('hex'));
  }
  const text = readPrivateFile(path, 1024).toString('latin1');
  if (!/^[0-9a-f]{64}$/.test(text))
    throw new IdentityError('data-loss', `${path} is damaged; put it back from a backup`);
  return Buffer.from(text, 'hex');
}
