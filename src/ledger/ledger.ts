/**
 * What was granted, used and ended, by whom: one append-only chain of records, on disk before anything they speak of is
 * released (SE-24, R-AUD-1). The files are lines of JSON that any program can read and any SHA-256 can check:
 *
 *   head             the number and hash of the last record, sealed with the ledger's key
 *   000001.ndjson    a segment: its first record links it to the one before; all but the last are read-only
 *
 * Who has the files but not the key cannot change, remove, reorder or add a record without `verifyLedger` naming it.
 * Who can put back an older copy of the whole directory can make the ledger forget what came after: keep the hash that
 * `mayfly ledger verify` prints somewhere else to notice that too.
 */

import type { IdentityError } from '../errors.ts';
import type { Clock } from '../runtime/clock.ts';
import { failpoint } from '../runtime/failpoint.ts';
import { ensurePrivateDirectory, storageError } from '../runtime/files.ts';
import { archiveSegments, lastWrittenAt } from './archive.ts';
import { type OpenDiskFile, openDiskFile } from './disk.ts';
import type { LedgerEvent } from './event.ts';
import { HeadFile, headPath } from './head.ts';
import { type LedgerFilter, queryRecords, type StoredRecord } from './query.ts';
import { type Link, Seal } from './record.ts';
import { recover } from './recover.ts';
import { segmentAt } from './segment.ts';
import { Tail } from './tail.ts';
import { Writer } from './writer.ts';

export type {
  Actor,
  CredentialFacts,
  CredentialRevoked,
  LedgerEvent,
  LedgerKind,
  Outcome,
  RegistryStep,
} from './event.ts';
export type { LedgerFilter, StoredRecord } from './query.ts';
export { RefusalCounter, type RefusalLimits } from './refusals.ts';
export { type VerifyReport, verifyLedger } from './verify.ts';

export interface LedgerOptions {
  /** 0700, ours; created where it is missing. */
  readonly directory: string;
  /** 32 bytes that seal the records. Without the same key the ledger cannot be opened again. */
  readonly key: Buffer;
  readonly clock: Clock;
  /** Refuse to begin anew: for a caller who knows that there was a ledger. */
  readonly mustExist?: boolean;
  readonly segmentBytes?: number;
  readonly segmentMs?: number;
  readonly waitingBytes?: number;
  /** Where a fake may stand in for the disk. */
  readonly openFile?: OpenDiskFile;
}

const defaults = {
  segmentBytes: 64 * 1024 * 1024,
  segmentMs: 7 * 24 * 3_600_000,
  waitingBytes: 64 * 1024 * 1024,
};

export interface Ledger {
  /** Resolves once the record is on disk. Rejects where it is not, and then it never was. */
  append(event: LedgerEvent): Promise<Link>;
  /** The records that fit, the oldest first, as far as they were durable when asked. */
  query(filter: LedgerFilter): AsyncIterable<StoredRecord>;
  get(seq: number): Promise<StoredRecord | undefined>;
  /** The last durable record. */
  head(): Link;
  /** Takes segments whose records are all older than `before` out: to `directory`, or, without one, for good. */
  archive(before: number, directory: string | undefined): Promise<{ segments: number; records: number }>;
  /** Resolves, with the reason, when the disk has failed: nothing is taken any more until a new process opens it. */
  readonly failed: Promise<IdentityError>;
  /** Why nothing can be recorded now, for want of room: it goes on by itself. */
  readonly problem: string | undefined;
  close(): Promise<void>;
}

/** Opens the ledger, or begins it. Throws `data-loss` and writes nothing where it is not what was written. */
export async function openLedger(options: LedgerOptions): Promise<Ledger> {
  const { directory, key, clock, openFile = openDiskFile } = options;
  const seal = new Seal(key);
  ensurePrivateDirectory(directory);
  failpoint('ledger.recover');
  const { end, extent, file, event } = await recover(directory, seal, openFile, options.mustExist ?? false);
  const tail = new Tail(directory, openFile, file, extent);
  const head = await openHead(directory, seal, openFile).catch(async (error) => {
    await tail.close();
    throw error;
  });
  const writer = new Writer({ tail, head, seal, clock, limits: { ...defaults, ...options }, end });
  try {
    await writer.begin(event);
  } catch (error) {
    await writer.abandon();
    throw error;
  }
  failpoint('ledger.open');
  return new DirectoryLedger(directory, seal, writer, tail);
}

async function openHead(directory: string, seal: Seal, openFile: OpenDiskFile): Promise<HeadFile> {
  try {
    return new HeadFile(await openFile(headPath(directory), false), seal);
  } catch (error) {
    throw storageError(error, `cannot open ${headPath(directory)}`);
  }
}

class DirectoryLedger implements Ledger {
  readonly #directory: string;
  readonly #seal: Seal;
  readonly #writer: Writer;
  readonly #tail: Tail;
  #archiving: Promise<unknown> = Promise.resolve();

  constructor(directory: string, seal: Seal, writer: Writer, tail: Tail) {
    this.#directory = directory;
    this.#seal = seal;
    this.#writer = writer;
    this.#tail = tail;
  }

  get failed(): Promise<IdentityError> {
    return this.#writer.failed;
  }

  get problem(): string | undefined {
    return this.#writer.problem;
  }

  append(event: LedgerEvent): Promise<Link> {
    return this.#writer.append(event);
  }

  query(filter: LedgerFilter): AsyncIterable<StoredRecord> {
    return queryRecords(this.#directory, this.#seal, filter, this.head().seq);
  }

  async get(seq: number): Promise<StoredRecord | undefined> {
    for await (const record of this.query({ seq })) return record;
    return undefined;
  }

  head(): Link {
    return this.#writer.durable;
  }

  archive(before: number, directory: string | undefined): Promise<{ segments: number; records: number }> {
    const result = this.#archiving.then(() => this.#archive(before, directory));
    this.#archiving = result.catch(() => undefined);
    return result;
  }

  async close(): Promise<void> {
    await this.#archiving;
    await this.#writer.close();
  }

  async #archive(before: number, destination: string | undefined): Promise<{ segments: number; records: number }> {
    const directory = this.#directory;
    const { segment } = this.#tail.extent;
    // A ledger that is seldom written to would never fill a segment, and never let go of anything.
    if (segment > 0 && (await lastWrittenAt(segmentAt(directory, segment))) < before) await this.#writer.beginSegment();
    const parts = { directory, seal: this.#seal, growing: this.#tail.extent.segment };
    return await archiveSegments({ ...parts, append: (event) => this.append(event) }, before, destination);
  }
}
