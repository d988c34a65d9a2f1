import type { Clock } from '../runtime/clock.ts';
import type { LedgerEvent } from './event.ts';

/** Within ten seconds after there is room again, whoever watches must hear of it (I13). */
const probeMs = 2_000;

/**
 * A time in which the disk has no room for records. Its end is found although nobody asks for anything, by a record that
 * says how long it was and what could not be granted meanwhile.
 */
export class Outage implements Disposable {
  /** Why the last record was refused; nothing once one was written again. */
  problem: string | undefined;
  readonly #clock: Clock;
  readonly #append: (event: LedgerEvent) => Promise<unknown>;
  #since: number | undefined;
  #refused = 0;
  #probing = false;
  #timer: Disposable | undefined;

  constructor(clock: Clock, append: (event: LedgerEvent) => Promise<unknown>) {
    this.#clock = clock;
    this.#append = append;
  }

  refused(why: string, records: number): void {
    this.problem = why;
    this.#since ??= this.#clock.now();
    this.#refused += records - (this.#probing ? 1 : 0);
    this.#probing = false;
    this.#timer ??= this.#clock.after(probeMs, () => this.#probe());
  }

  written(): void {
    this.problem = undefined;
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
  }

  #probe(): void {
    const since = this.#since ?? this.#clock.now();
    const refused = this.#refused;
    this.#timer = undefined;
    this.#probing = true;
    this.#append({ kind: 'ledger.resumed', since, refused }).then(
      () => {
        this.#probing = false;
        this.#refused -= refused;
        this.#since = undefined;
      },
      // Refused as well, and heard of above; or the ledger is closed.
      () => undefined,
    );
  }
}
