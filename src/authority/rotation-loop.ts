/** Takes each step when it is due, and is the only one who does. A step that fails is tried again after a growing pause. */
import { IdentityError } from '../errors.ts';
import type { Clock } from '../runtime/clock.ts';
import { type AuthorityKind, authorityKinds } from './rotation.ts';
import type { Succession } from './succession.ts';

/** Timers run on the monotonic clock: somebody has to look whether the wall clock was set. */
const longestSleepMs = 60_000;
const firstPauseMs = 1000;

export class RotationLoop {
  readonly #succession: Succession;
  readonly #clock: Clock;
  readonly #beside: readonly (() => Promise<void>)[];
  #timer: Disposable | undefined;
  #running: Promise<void> | undefined;
  #faults: readonly unknown[] = [];
  #failures = 0;
  #closed = false;

  /** @param beside what else is looked at in each turn */
  constructor(succession: Succession, clock: Clock, beside: readonly (() => Promise<void>)[] = []) {
    this.#succession = succession;
    this.#beside = beside;
    this.#clock = clock;
  }

  /** Why the last turn did not do all that was due. */
  get fault(): unknown {
    return this.#faults[0];
  }

  /** The same in words; undefined when all is well. */
  get problem(): string | undefined {
    if (this.#failures === 0 || this.#succession.problem !== undefined) return this.#succession.problem;
    const { fault } = this;
    return `rotation is stuck: ${fault instanceof IdentityError ? fault.message : `internal error: ${fault}`}`;
  }

  /** Everything that is due now, once, however many ask; nothing while the pause after a failure lasts. */
  turn(): Promise<void> {
    if (this.#closed || (this.#failures > 0 && this.#timer !== undefined)) return Promise.resolve();
    this.#running ??= this.#run();
    return this.#running;
  }

  /** Something that an operator ordered, between two turns: nothing else is done meanwhile. What is due then follows. */
  async between<T>(work: () => Promise<T>): Promise<T> {
    while (this.#running !== undefined) await this.#running;
    if (this.#closed) throw new IdentityError('unavailable', 'mayfly is stopping');
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#running = promise;
    this.#disarm();
    try {
      return await work();
    } finally {
      this.#running = undefined;
      resolve();
      if (!this.#closed) this.#arm();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#disarm();
    await this.#running;
  }

  async #run(): Promise<void> {
    this.#disarm();
    const faults: unknown[] = [];
    const works = [
      () => this.#succession.recover(),
      () => this.#succession.clean(),
      // What could not be listed while a key was away.
      () => this.#succession.listRevoked(),
      ...this.#beside,
      ...authorityKinds.map((kind) => () => this.#advance(kind)),
    ];
    for (const work of works) await work().catch((fault: unknown) => faults.push(fault));
    this.#faults = faults;
    this.#failures = faults.length === 0 ? 0 : this.#failures + 1;
    this.#running = undefined;
    if (!this.#closed) this.#arm();
  }

  async #advance(kind: AuthorityKind): Promise<void> {
    while (!this.#closed) {
      const now = this.#clock.now();
      const due = this.#succession.due(kind, now);
      if (due === undefined || due.at > now) return;
      await this.#succession.takeDue(kind, due.step);
    }
  }

  #arm(): void {
    this.#timer = this.#clock.after(this.#sleepMs(), () => {
      this.#timer = undefined;
      void this.turn();
    });
  }

  #disarm(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  #sleepMs(): number {
    const now = this.#clock.now();
    const waits = authorityKinds.map((kind) => (this.#succession.due(kind, now)?.at ?? Infinity) - now);
    if (this.#failures === 0) return Math.max(1, Math.min(longestSleepMs, ...waits));
    const pause = Math.min(longestSleepMs, firstPauseMs * 2 ** (this.#failures - 1));
    // What is overdue waits for the pause; what falls due within it, of the other kind perhaps, does not.
    return Math.min(pause, ...waits.filter((wait) => wait > 0));
  }
}
