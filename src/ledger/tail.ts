import { chmod, type FileHandle, open, rm } from 'node:fs/promises';
import { failpoint } from '../runtime/failpoint.ts';
import { storageError } from '../runtime/files.ts';
import { confirm, type DiskFile, type OpenDiskFile } from './disk.ts';
import { segmentAt } from './segment.ts';

/** How much of which segment is durable; segment 0: there is none yet. */
export interface Extent {
  readonly segment: number;
  readonly length: number;
  /** When its first record was written. */
  readonly begunAt: number;
}

/**
 * The end of the ledger on disk. A write that lacks room (`resource-exhausted`) is undone and may be tried again. After
 * any other failure nobody knows what the disk holds: Linux reports a failed fsync once, and calls the lost pages clean
 * from then on. So a failure of that sort must never be followed by another try in the same process.
 */
export class Tail {
  readonly #directory: string;
  readonly #open: OpenDiskFile;
  #file: DiskFile | undefined;
  #extent: Extent;
  /** There may be bytes after the extent, of a write that was given up. */
  #excess = false;

  constructor(directory: string, open: OpenDiskFile, file: DiskFile | undefined, extent: Extent) {
    this.#directory = directory;
    this.#open = open;
    this.#file = file;
    this.#extent = extent;
  }

  get extent(): Extent {
    return this.#extent;
  }

  /** Resolves once `bytes` are durable behind everything written before. */
  async write(bytes: Buffer): Promise<void> {
    const { segment, length, begunAt } = this.#extent;
    const file = this.#current();
    try {
      await this.#cutExcess(file);
      this.#excess = true;
      failpoint('ledger.before-write');
      await file.write(bytes, length);
      failpoint('ledger.written');
    } catch (error) {
      await this.#cutExcess(file).catch(() => undefined);
      throw storageError(error, this.#cannotWrite(segment));
    }
    await confirm(() => file.sync(), this.#cannotWrite(segment));
    failpoint('ledger.synced');
    this.#excess = false;
    this.#extent = { segment, length: length + bytes.length, begunAt };
  }

  /** Begins the next segment with `bytes`, and closes the one before for good. */
  async begin(segment: number, bytes: Buffer, begunAt: number): Promise<void> {
    await this.#cutBeforeSealing();
    // Opened first: without a descriptor for it nothing has happened yet, and nothing is in doubt.
    await using directory = await this.#openDirectory(segment);
    const file = await this.#create(segment, bytes);
    await confirm(() => file.sync(), this.#cannotWrite(segment));
    failpoint('ledger.segment-synced');
    await confirm(() => directory.sync(), this.#cannotWrite(segment));
    failpoint('ledger.segment-listed');
    const [sealed, sealedSegment] = [this.#file, this.#extent.segment];
    this.#file = file;
    this.#extent = { segment, length: bytes.length, begunAt };
    await sealed?.close();
    // A reminder to whoever edits it; what protects it is the chain. Not every file system knows modes.
    if (sealed !== undefined) await chmod(segmentAt(this.#directory, sealedSegment).path, 0o400).catch(() => undefined);
    failpoint('ledger.segment-sealed');
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }

  async #openDirectory(segment: number): Promise<FileHandle> {
    try {
      return await open(this.#directory, 'r');
    } catch (error) {
      throw storageError(error, this.#cannotWrite(segment));
    }
  }

  async #create(segment: number, bytes: Buffer): Promise<DiskFile> {
    const { path } = segmentAt(this.#directory, segment);
    let file: DiskFile | undefined;
    try {
      failpoint('ledger.segment-before-create');
      file = await this.#open(path, true);
      failpoint('ledger.segment-created');
      await file.write(bytes, 0);
      failpoint('ledger.segment-written');
      return file;
    } catch (error) {
      await file?.close();
      if (file !== undefined) await rm(path, { force: true });
      throw storageError(error, this.#cannotWrite(segment));
    }
  }

  async #cutBeforeSealing(): Promise<void> {
    if (this.#file === undefined || !this.#excess) return;
    const file = this.#file;
    await confirm(() => this.#cutExcess(file).then(() => file.sync()), this.#cannotWrite(this.#extent.segment));
  }

  async #cutExcess(file: DiskFile): Promise<void> {
    if (!this.#excess) return;
    await file.truncate(this.#extent.length);
    this.#excess = false;
  }

  #current(): DiskFile {
    if (this.#file === undefined) throw new TypeError('the ledger has no segment to write to');
    return this.#file;
  }

  #cannotWrite(segment: number): string {
    return `cannot write ledger segment ${segmentAt(this.#directory, segment).path}`;
  }
}
