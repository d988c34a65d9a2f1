/**
 * What each user of this host may take of mayfly, by uid, before anything is learned of the process: connections, open
 * calls, memory, and turns. A limit that is met is told to the caller, or cuts the connection, and is counted under its
 * name (R-NET-5, docs/decisions/0009-fair-under-flood.md).
 */
import { IdentityError } from '../errors.ts';
import { elapsed } from '../runtime/clock.ts';
import { FairTurns, type Turn } from '../runtime/fair-turns.ts';
import type { Allowance, Cut } from '../runtime/grpc-server.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { type Member, Roster } from '../runtime/roster.ts';
import { TokenBucket } from '../runtime/token-bucket.ts';

/** Of each user. */
export interface BudgetLimits {
  readonly connections: number;
  /** Open calls, on all connections together. */
  readonly calls: number;
  /** Bytes of requests that have begun and not ended, and of answers that were not read yet. */
  readonly bytes: number;
}

export interface BudgetsParts {
  readonly limits: BudgetLimits;
  /** Descriptors from this one on are kept for the rest of mayfly. */
  readonly lastDescriptor: number;
  readonly metrics: Metrics;
  readonly now?: () => number;
}

/** Breaches of the protocol, each of which costs a connection: after more than this, no other is accepted for a while. */
const breaches = { most: 20, perSecond: 2 };
/** Lines in the log that one user can cause. */
const lines = { most: 200, perSecond: 20 };
const isBreach: ReadonlySet<string> = new Set<Cut>(['protocol-error', 'flood', 'no-greeting']);

export class Budgets {
  readonly #parts: Required<BudgetsParts>;
  readonly #turns = new FairTurns();
  readonly #users = new Map<number, Budget>();

  constructor(parts: BudgetsParts) {
    this.#parts = { now: elapsed, ...parts };
  }

  of(uid: number): Budget {
    const known = this.#users.get(uid);
    if (known !== undefined) return known;
    this.#forget();
    const budget = new Budget(this.#parts, this.#turns.turn());
    this.#users.set(uid, budget);
    return budget;
  }

  /** May this user have one more connection, on that descriptor? The kernel gives the lowest number that is free. */
  admits(uid: number, descriptor: number): boolean {
    const budget = this.of(uid);
    const reason = budget.refusal() ?? (descriptor > this.#parts.lastDescriptor ? this.#shed(budget) : undefined);
    if (reason !== undefined) this.#parts.metrics.connectionsRefused.inc({ reason });
    return reason === undefined;
  }

  /** Where descriptors run short, who has most of them gives one up, or gets none (R-RES-1). */
  #shed(newcomer: Budget): string | undefined {
    let heaviest = newcomer;
    for (const budget of this.#users.values()) if (budget.connections > heaviest.connections) heaviest = budget;
    if (heaviest === newcomer) return 'descriptors';
    heaviest.giveUp();
    return undefined;
  }

  /** Whoever has gone and is as good as new. There are as many users as have been here lately, not as there ever were. */
  #forget(): void {
    for (const [uid, budget] of this.#users) if (budget.isForgettable()) this.#users.delete(uid);
  }
}

export class Budget implements Allowance {
  readonly #parts: Required<BudgetsParts>;
  readonly #turn: Turn;
  readonly #breaches: TokenBucket;
  readonly #lines: TokenBucket;
  readonly #connections = new Roster<Connection>();
  readonly #kept = { calls: 0, bytes: 0 };

  constructor(parts: Required<BudgetsParts>, turn: Turn) {
    this.#parts = parts;
    this.#turn = turn;
    this.#breaches = new TokenBucket(breaches, parts.now());
    this.#lines = new TokenBucket(lines, parts.now());
  }

  get connections(): number {
    return this.#connections.size;
  }

  run(work: () => void): void {
    this.#turn.run(work);
  }

  /** Why this user gets no further connection now. */
  refusal(): 'connections-of-user' | 'breaches-of-user' | undefined {
    if (this.connections >= this.#parts.limits.connections) return 'connections-of-user';
    return this.#breaches.isEmpty(this.#parts.now()) ? 'breaches-of-user' : undefined;
  }

  /** One more connection, until disposed. */
  connect(end: () => void): Disposable {
    const connection = { end, place: 0 };
    this.#connections.add(connection);
    return { [Symbol.dispose]: () => this.#connections.delete(connection) };
  }

  keep(what: 'calls' | 'bytes', count: number): void {
    if (count > 0 && this.#kept[what] + count > this.#parts.limits[what]) {
      this.#parts.metrics.callsRefused.inc({ reason: `${what}-of-user` });
      throw new IdentityError('resource-exhausted', tooMany[what]);
    }
    this.#kept[what] += count;
  }

  cut(reason: Cut): void {
    this.#parts.metrics.connectionsCut.inc({ reason });
    if (isBreach.has(reason)) this.#breaches.take(this.#parts.now());
  }

  /** The youngest connection, or nearly so, makes room. */
  giveUp(): void {
    this.#parts.metrics.connectionsCut.inc({ reason: 'descriptors' });
    this.#connections.last?.end();
  }

  mayLog(): boolean {
    return this.#lines.take(this.#parts.now());
  }

  isForgettable(): boolean {
    const now = this.#parts.now();
    return this.connections === 0 && this.#kept.calls === 0 && this.#breaches.isFull(now) && this.#lines.isFull(now);
  }
}

interface Connection extends Member {
  readonly end: () => void;
}

const tooMany = {
  calls: 'too many calls of this user are open',
  bytes: 'too many bytes of this user’s calls wait to be completed or read',
} as const;
