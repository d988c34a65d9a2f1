import { setImmediate } from 'node:timers/promises';
import { IdentityError } from '../errors.ts';
import type { Clock } from '../runtime/clock.ts';
import { failpoint } from '../runtime/failpoint.ts';
import type { LedgerEvent } from './event.ts';
import type { HeadFile } from './head.ts';
import { Outage } from './outage.ts';
import { hashOf, type Link, recordLine, type Seal } from './record.ts';
import type { Extent, Tail } from './tail.ts';

export interface WriterLimits {
  /** A segment that has reached this size, or this age, is sealed and the next one begun. */
  readonly segmentBytes: number;
  readonly segmentMs: number;
  /** What may wait for the disk; beyond it, appending is refused. */
  readonly waitingBytes: number;
}

export interface WriterParts {
  readonly tail: Tail;
  readonly head: HeadFile;
  readonly seal: Seal;
  readonly clock: Clock;
  readonly limits: WriterLimits;
  readonly end: Link;
}

/** Records that are written together. */
interface Group {
  readonly lines: string[];
  readonly answers: { readonly link: Link; resolve(link: Link): void; reject(error: unknown): void }[];
  /** The segment that this group begins, if it begins one. */
  readonly begins: Extent | undefined;
  length: number;
}

/** One write's worth: answers come in portions that leave the event loop time for others. */
const groupBytes = 512 * 1024;
/** The head reaches the disk at most this long after the records it seals. */
const headSyncMs = 1_000;

/**
 * Puts records on disk in groups. `append` gives a record its number and hash at once and waits for nothing; one loop
 * writes whatever has gathered with one write and one fdatasync, answers all of it, and takes the next. A record that
 * could not be written is as if it had never been: its number and its place go to the next.
 */
export class Writer {
  readonly #parts: WriterParts;
  /** The last durable record. */
  #durable: Link;
  /** The last record and its segment, counting what still waits. */
  #last: { link: Link; extent: Extent };
  #groups: Group[] = [];
  #waiting = 0;
  #loop: Promise<void> | undefined;
  /** Why nothing is taken any more. */
  #end: IdentityError | undefined;
  #headTimer: Disposable | undefined;
  #closing: Promise<void> | undefined;
  readonly #failed = Promise.withResolvers<IdentityError>();
  readonly #outage: Outage;

  constructor(parts: WriterParts) {
    this.#parts = parts;
    this.#durable = parts.end;
    this.#last = { link: parts.end, extent: parts.tail.extent };
    this.#outage = new Outage(parts.clock, (event) => this.append(event));
  }

  get durable(): Link {
    return this.#durable;
  }

  /** Why nothing can be recorded now, where that may pass. */
  get problem(): string | undefined {
    return this.#outage.problem;
  }

  /** Resolves when nothing can be written any more; only a new process, which looks at the disk afresh, may go on. */
  get failed(): Promise<IdentityError> {
    return this.#failed.promise;
  }

  /** Says in the head, before anything else, that records may follow; then records what had to be put right. */
  async begin(event: LedgerEvent | undefined): Promise<void> {
    await this.#parts.head.write(this.#durable, 'open');
    await this.#parts.head.sync();
    if (event !== undefined) await this.append(event);
  }

  append(event: LedgerEvent): Promise<Link> {
    const refusal = this.#end ?? this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    try {
      if (this.#segmentIsFull()) this.beginSegment().catch(() => undefined); // the record's own promise says why
      return this.#enqueue(event, undefined);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Seals the segment and begins the next one. */
  beginSegment(): Promise<Link> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    const extent = { segment: this.#last.extent.segment + 1, length: 0, begunAt: this.#parts.clock.now() };
    this.#last = { link: this.#last.link, extent };
    return this.#enqueue({ kind: 'ledger.segment', segment: extent.segment }, extent);
  }

  /** Lets go of the files, and leaves them as a crash would. */
  async abandon(): Promise<void> {
    this.#end ??= closed();
    await this.#loop;
    this.#headTimer?.[Symbol.dispose]();
    this.#outage[Symbol.dispose]();
    await this.#parts.head.close();
    await this.#parts.tail.close();
  }

  /** Writes what waits, then says in the head that nothing follows. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#end ??= closed();
    await this.#loop;
    try {
      if (this.#end.reason !== 'closed') return;
      await this.#parts.head.write(this.#durable, 'closed');
      await this.#parts.head.sync();
      failpoint('ledger.closed');
    } finally {
      await this.abandon();
    }
  }

  #enqueue(event: LedgerEvent, begins: Extent | undefined): Promise<Link> {
    const { clock, seal } = this.#parts;
    const { link: before, extent } = this.#last;
    const line = recordLine(event, clock.now(), before, seal);
    const link = { seq: before.seq + 1, hash: hashOf(line) };
    const length = Buffer.byteLength(line) + 1;
    failpoint('ledger.numbered');
    const group = this.#groupFor(begins);
    group.lines.push(line);
    group.length += length;
    this.#waiting += length;
    this.#last = { link, extent: { ...extent, length: extent.length + length } };
    this.#loop ??= this.#run();
    return new Promise((resolve, reject) => group.answers.push({ link, resolve, reject }));
  }

  #groupFor(begins: Extent | undefined): Group {
    const open = this.#groups.at(-1);
    if (begins === undefined && open !== undefined && open.length < groupBytes) return open;
    const group: Group = { lines: [], answers: [], begins, length: 0 };
    this.#groups.push(group);
    return group;
  }

  async #run(): Promise<void> {
    // Everything that this turn of the event loop appends goes into the first group.
    await setImmediate();
    for (let group = this.#groups.shift(); group !== undefined; group = this.#groups.shift()) {
      try {
        await this.#write(group);
      } catch (error) {
        this.#giveUp(group, error);
        continue;
      }
      failpoint('ledger.before-answer');
      this.#answer(group);
      failpoint('ledger.answered');
      await this.#sealHead();
    }
    this.#loop = undefined;
  }

  async #write({ lines, begins }: Group): Promise<void> {
    const { head, tail } = this.#parts;
    await head.write(this.#durable, 'open'); // again, where the last try failed; else nothing is left to do
    const bytes = Buffer.from(`${lines.join('\n')}\n`);
    if (begins === undefined) return tail.write(bytes);
    // From then on, a head that is older than the last segment is somebody's doing, not a crash's.
    await head.sync();
    await tail.begin(begins.segment, bytes, begins.begunAt);
  }

  #answer({ answers, length }: Group): void {
    this.#durable = answers.at(-1)?.link ?? this.#durable;
    this.#waiting -= length;
    this.#outage.written();
    for (const { link, resolve } of answers) resolve(link);
  }

  async #sealHead(): Promise<void> {
    try {
      await this.#parts.head.write(this.#durable, 'open');
      this.#headTimer ??= this.#parts.clock.after(headSyncMs, () => {
        this.#headTimer = undefined;
        this.#parts.head.sync().catch((error) => this.#fail(error));
      });
    } catch {
      // The records are durable and stay acknowledged; no further one is before the head can be written again.
    }
  }

  /** Takes back the numbers of everything that is not on disk. */
  #giveUp(group: Group, error: unknown): void {
    const recoverable = error instanceof IdentityError && error.code === 'resource-exhausted';
    const refusal = recoverable ? error : this.#fail(error);
    const groups = [group, ...this.#groups];
    this.#groups = [];
    this.#waiting = 0;
    this.#last = { link: this.#durable, extent: this.#parts.tail.extent };
    const answers = groups.flatMap((each) => each.answers);
    if (recoverable) this.#outage.refused(refusal.message, answers.length);
    for (const { reject } of answers) reject(refusal);
  }

  #fail(cause: unknown): IdentityError {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `the ledger cannot be written any more: ${why}. Look at the disk, then restart mayfly`;
    const failure = new IdentityError('unavailable', message, { cause, reason: 'ledger-failed' });
    this.#end = failure;
    this.#failed.resolve(failure);
    return failure;
  }

  #segmentIsFull(): boolean {
    const { segment, length, begunAt } = this.#last.extent;
    const { segmentBytes, segmentMs } = this.#parts.limits;
    return segment === 0 || length >= segmentBytes || this.#parts.clock.now() - begunAt >= segmentMs;
  }

  #refusal(): IdentityError | undefined {
    const { waitingBytes } = this.#parts.limits;
    if (this.#waiting < waitingBytes) return undefined;
    const message = `the disk does not keep up: ${waitingBytes} bytes of ledger records wait for it. Try again later`;
    return new IdentityError('resource-exhausted', message, { reason: 'ledger-slow' });
  }
}

const closed = (): IdentityError =>
  new IdentityError('unavailable', 'the ledger is closed: mayfly is stopping', { reason: 'closed' });
