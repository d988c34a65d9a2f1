import type { Clock } from '../runtime/clock.ts';
import type { AttestationRefused, ProcessFacts } from './event.ts';
import type { Ledger } from './ledger.ts';

/** One no, said to one process. */
export interface Refusal {
  readonly pid: number;
  readonly startTime: bigint;
  readonly uid: number;
  readonly gid: number;
  /** From a closed union; never text of the caller's. */
  readonly reason: string;
}

export interface RefusalLimits {
  /** Processes of one user that get records of their own within a minute; others are counted under the user. */
  readonly processesPerUid: number;
  /** The same, of all users together. */
  readonly processes: number;
  /** Processes and users that are counted at one time; others are counted together. */
  readonly tracked: number;
  /** What was counted is written after so long at the latest. */
  readonly flushMs: number;
}

const defaults: RefusalLimits = { processesPerUid: 100, processes: 1_000, tracked: 10_000, flushMs: 5 * 60_000 };
const minuteMs = 60_000;
const reasonsPerRecord = 16;
const everybody = 'everybody';

interface Count {
  readonly who: Partial<ProcessFacts>;
  reasons: Record<string, number>;
  count: number;
  firstAt: number;
  lastAt: number;
}

/**
 * Refusals on record, without letting a stranger fill the disk: the first of a process is written at once, later ones
 * are counted and written as one record when the process ends, every few minutes, and at the end. Nothing waits for it:
 * a refusal needs no record to be released.
 */
export class RefusalCounter {
  readonly #ledger: Pick<Ledger, 'append'>;
  readonly #clock: Clock;
  readonly #limits: RefusalLimits;
  readonly #counts = new Map<string, Count>();
  readonly #writing = new Set<Promise<void>>();
  #minute = { since: Number.NEGATIVE_INFINITY, perUid: new Map<number, number>(), processes: 0 };
  #timer: Disposable | undefined;

  constructor(ledger: Pick<Ledger, 'append'>, clock: Clock, limits: Partial<RefusalLimits> = {}) {
    this.#ledger = ledger;
    this.#clock = clock;
    this.#limits = { ...defaults, ...limits };
  }

  count(refusal: Refusal): void {
    const key = processKey(refusal.pid, refusal.startTime);
    if (this.#counts.has(key)) this.#add(key, refusal);
    else if (this.#mayOpen(refusal.uid)) this.#first(key, refusal);
    else this.#addToUser(refusal);
  }

  /** The process is gone: what was counted of it is written, and it is forgotten. */
  ended(pid: number, startTime: bigint): void {
    const key = processKey(pid, startTime);
    this.#write(key);
    this.#counts.delete(key);
  }

  /** Writes what was counted. Resolves when it is on disk, or could not be written and is still counted. */
  async flush(): Promise<void> {
    const old = this.#clock.now() - this.#limits.flushMs;
    for (const [key, { count, lastAt }] of this.#counts) {
      this.#write(key);
      if (count === 0 && lastAt <= old) this.#counts.delete(key);
    }
    await Promise.all(this.#writing);
  }

  async close(): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    await this.flush();
    this.#timer?.[Symbol.dispose]();
  }

  #mayOpen(uid: number): boolean {
    const { processesPerUid, processes, tracked } = this.#limits;
    const now = this.#clock.now();
    if (Math.abs(now - this.#minute.since) >= minuteMs) this.#minute = { since: now, perUid: new Map(), processes: 0 };
    const { perUid } = this.#minute;
    const ofUid = perUid.get(uid) ?? 0;
    if (ofUid >= processesPerUid || this.#minute.processes >= processes || this.#counts.size >= tracked) return false;
    perUid.set(uid, ofUid + 1);
    this.#minute.processes++;
    return true;
  }

  #first(key: string, refusal: Refusal): void {
    const { pid, startTime, uid, gid } = refusal;
    this.#add(key, refusal, { pid, startTime: Number(startTime), uid, gid });
    this.#write(key);
  }

  #addToUser(refusal: Refusal): void {
    this.#add(`uid ${refusal.uid}`, refusal, { uid: refusal.uid });
  }

  #add(key: string, { reason }: Refusal, who: Partial<ProcessFacts> = {}): void {
    const now = this.#clock.now();
    addTo(this.#countOf(key, who), { reasons: { [reason]: 1 }, count: 1, firstAt: now, lastAt: now });
  }

  /** The count under that key, or, where no further one is kept, the one that everybody shares. */
  #countOf(key: string, who: Partial<ProcessFacts>): Count {
    const known = this.#counts.get(key);
    if (known !== undefined) return known;
    if (this.#counts.size >= this.#limits.tracked && key !== everybody) return this.#countOf(everybody, {});
    const count: Count = { who, reasons: {}, count: 0, firstAt: 0, lastAt: 0 };
    this.#counts.set(key, count);
    this.#arm();
    return count;
  }

  #write(key: string): void {
    const counted = this.#counts.get(key);
    if (counted === undefined || counted.count === 0) return;
    const { who, reasons, count, firstAt, lastAt } = counted;
    Object.assign(counted, { reasons: {}, count: 0 });
    const event: AttestationRefused = { kind: 'attestation.refused', ...who, reasons, count, firstAt, lastAt };
    const writing = this.#ledger.append(event).then(
      () => undefined,
      // It could not be written: it is counted on, and written with the next.
      () => addTo(this.#countOf(key, who), event),
    );
    this.#writing.add(writing);
    writing.finally(() => this.#writing.delete(writing));
  }

  #arm(): void {
    this.#timer ??= this.#clock.after(this.#limits.flushMs, () => {
      this.#timer = undefined;
      this.flush();
      if (this.#counts.size > 0) this.#arm();
    });
  }
}

const processKey = (pid: number, startTime: bigint): string => `${pid} ${startTime}`;

function addTo(to: Count, more: Omit<Count, 'who'>): void {
  to.firstAt = to.count === 0 ? more.firstAt : Math.min(to.firstAt, more.firstAt);
  to.lastAt = Math.max(to.lastAt, more.lastAt);
  to.count += more.count;
  for (const [reason, count] of Object.entries(more.reasons)) {
    const known = reason in to.reasons || Object.keys(to.reasons).length < reasonsPerRecord;
    const name = known ? reason : 'other';
    to.reasons[name] = (to.reasons[name] ?? 0) + count;
  }
}
