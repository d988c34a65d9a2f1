/**
 * How far the ledger goes: the last durable record, sealed. Without it nobody could tell a ledger that was cut short
 * from one that never went further. Overwritten in place after each group of records, hence never ahead of them; it
 * fits into one disk sector, so that a power cut leaves the old one or the new one.
 */
import { join } from 'node:path';
import { IdentityError } from '../errors.ts';
import { failpoint } from '../runtime/failpoint.ts';
import { readPrivateFile, storageError, writeFileAtomic } from '../runtime/files.ts';
import { confirm, type DiskFile } from './disk.ts';
import { type Link, origin, type Seal } from './record.ts';

export interface Head extends Link {
  /** closed: mayfly ended in order, and no record follows. open: it runs, or was cut off; records may follow. */
  readonly state: 'open' | 'closed';
}

const headBytes = 256;
/** More than this is not read to find out that it is not ours. */
const longestHead = 1 << 20;

export const headPath = (directory: string): string => join(directory, 'head');

/** undefined: there is none. Throws `data-loss` for one that this key did not seal. Without a seal, it is believed. */
export function readHead(directory: string, seal: Seal | undefined): Head | undefined {
  const text = readIfThere(headPath(directory))?.toString('latin1');
  if (text === undefined) return undefined;
  const [, sealed = '', seq, hash = '', state, mac] = shape.exec(text) ?? [];
  if (mac === undefined || (seal !== undefined && seal.of(sealed) !== mac)) throw damaged(directory);
  return { seq: Number(seq), hash, state: state === 'open' ? 'open' : 'closed' };
}

/** The head of a ledger without records: written before the first segment, so that it is never missing. */
export function createHead(directory: string, seal: Seal): void {
  failpoint('ledger.create-head');
  writeFileAtomic(headPath(directory), formatHead({ ...origin, state: 'open' }, seal));
}

/** Keeps the head file open and up to date. */
export class HeadFile {
  readonly #file: DiskFile;
  readonly #seal: Seal;
  #written: Head | undefined;

  constructor(file: DiskFile, seal: Seal) {
    this.#file = file;
    this.#seal = seal;
  }

  async write(link: Link, state: Head['state']): Promise<void> {
    if (this.#written?.seq === link.seq && this.#written.hash === link.hash && this.#written.state === state) return;
    const head = { seq: link.seq, hash: link.hash, state };
    try {
      failpoint('ledger.head-before-write');
      await this.#file.write(formatHead(head, this.#seal), 0);
    } catch (error) {
      throw storageError(error, 'cannot write the head of the ledger');
    }
    failpoint('ledger.head-written');
    this.#written = head;
  }

  async sync(): Promise<void> {
    await confirm(() => {
      failpoint('ledger.head-before-sync');
      return this.#file.sync();
    }, 'cannot write the head of the ledger');
    failpoint('ledger.head-synced');
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

const shape =
  /^(\{"seq":(0|[1-9]\d{0,15}),"hash":"([0-9a-f]{64})","state":"(open|closed)"),"seal":"([0-9a-f]{64})"\} *\n$/;

function formatHead({ seq, hash, state }: Head, seal: Seal): Buffer {
  const sealed = `{"seq":${seq},"hash":"${hash}","state":"${state}"`;
  return Buffer.from(`${`${sealed},"seal":"${seal.of(sealed)}"}`.padEnd(headBytes - 1)}\n`);
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readPrivateFile(path, longestHead);
  } catch (error) {
    if (error instanceof IdentityError && error.code === 'not-found') return undefined;
    throw error;
  }
}

const damaged = (directory: string): IdentityError =>
  new IdentityError(
    'data-loss',
    `${headPath(directory)} was changed, or its key keys/ledger.seal was: restore both from a good copy; nothing is written meanwhile`,
  );
