/**
 * One event loop, many users: whoever has used its share of a round waits for the others (deficit round robin), and who
 * has nothing waiting goes first. What a piece of work costs is measured, not guessed: from its beginning to that of the
 * next (docs/decisions/0009-fair-under-flood.md).
 */
import { elapsed } from './clock.ts';

export interface FairTurnsOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Runs `work` soon, after whatever arrived meanwhile was looked at. */
  readonly soon: (work: () => void) => void;
}

/** Of one user in one round, in milliseconds: some ten calls. */
const shareMs = 0.5;
/** Of all who wait, in one round: as long as this at most does a newcomer wait, however many users flood. */
const roundMs = 1;
/** What takes longer stood still, and with it everybody: a suspended process is not its user's debt for a thousand rounds. */
const longestMs = 250;
/** Pieces of waiting work in one round; what each starts has ended before the next. */
const piecesPerRound = 16;

export class FairTurns {
  readonly #options: FairTurnsOptions;
  /** In the order of who is next. Arrays, for the reason that `roster.ts` gives. */
  readonly #waiting: Turn[] = [];
  /** Who has used something of its share. */
  #used: Turn[] = [];
  #current: Turn | undefined;
  #since = 0;
  #spentMs = 0;
  #scheduled = false;

  constructor(options: FairTurnsOptions = { now: elapsed, soon: setImmediate }) {
    this.#options = options;
  }

  /** For one more user. */
  turn(): Turn {
    return new Turn(this);
  }

  /** Runs `work` at once where its user may, else when it is its turn. */
  run(turn: Turn, work: () => void): void {
    this.#enter(turn);
    this.#schedule();
    if (turn.leftMs > 0 && turn.waiting.length === 0) {
      work();
    } else {
      if (turn.waiting.push(work) === 1) this.#waiting.push(turn);
    }
  }

  /** From now on time is spent for `turn`. */
  #enter(turn: Turn | undefined): void {
    const now = this.#options.now();
    if (this.#current !== undefined) {
      const spentMs = Math.min(now - this.#since, longestMs);
      this.#current.leftMs -= spentMs;
      this.#spentMs += spentMs;
      if (!this.#current.used) this.#used.push(this.#current);
      this.#current.used = true;
    }
    this.#current = turn;
    this.#since = now;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#options.soon(() => this.#round());
  }

  /** A new share for everybody; who has used more than one pays it back first. */
  #round(): void {
    this.#scheduled = false;
    this.#enter(undefined);
    this.#spentMs = 0;
    this.#used = this.#used.filter((turn) => turn.renew(shareMs));
    if (this.#waiting.length === 0) return;
    for (let piece = 0; piece < piecesPerRound; piece++) this.#options.soon(() => this.#step(piece === 0));
    this.#schedule();
  }

  /** One piece of waiting work, of whoever is next and has something left; each round does one at least. */
  #step(first: boolean): void {
    this.#enter(undefined);
    if (this.#spentMs > roundMs && !first) return;
    const next = this.#waiting.findIndex(({ leftMs }) => leftMs > 0);
    const [turn] = next < 0 ? [] : this.#waiting.splice(next, 1);
    const work = turn?.waiting.shift();
    if (turn === undefined || work === undefined) return;
    if (turn.waiting.length > 0) this.#waiting.push(turn);
    this.#enter(turn);
    work();
  }
}

/** What one user has left of its share, and what of it waits. */
export class Turn {
  leftMs = shareMs;
  used = false;
  readonly waiting: (() => void)[] = [];
  readonly #turns: FairTurns;

  constructor(turns: FairTurns) {
    this.#turns = turns;
  }

  run(work: () => void): void {
    this.#turns.run(this, work);
  }

  /** Adds what is new in each round. True while it is not whole again: it had used more than there is in one. */
  renew(ms: number): boolean {
    this.leftMs = Math.min(ms, this.leftMs + ms);
    this.used = this.leftMs < ms;
    return this.used;
  }
}
