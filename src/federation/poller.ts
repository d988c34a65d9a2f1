/** Keeps the bundle of one foreign trust domain fresh. Whatever its endpoint does, no other poller notices. */
import { IdentityError } from '../errors.ts';
import type { ForeignTrust, Relationship } from '../registry/registry.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { Random } from '../runtime/random.ts';
import { type FetchBundleParts, fetchBundle } from './fetch-bundle.ts';
import { pauseMs } from './schedule.ts';

/** What was last seen of an endpoint. In memory: after a restart it is looked at anew. */
export interface PollState {
  /** Undefined while a look is under way. */
  readonly nextPollAt: number | undefined;
  /** When it last answered with a bundle, be it the same. */
  readonly fetchedAt: number | undefined;
  /** In a row, until now. */
  readonly failures: number;
  readonly lastError: string | undefined;
}

export interface PollerParts extends FetchBundleParts {
  readonly foreign: ForeignTrust;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly floorMs: () => number;
  readonly counted: (trustDomain: string, outcome: 'changed' | 'same' | 'failed') => void;
}

/** After a start, those whose bundle is known are looked at within so long, not all at once. */
const startSpreadMs = 2_000;

export class Poller {
  readonly relationship: Relationship;
  readonly #parts: PollerParts;
  readonly #ended = new AbortController();
  #state: PollState = { nextPollAt: undefined, fetchedAt: undefined, failures: 0, lastError: undefined };
  #timer: Disposable | undefined;
  #turns: Promise<unknown> = Promise.resolve();

  constructor(relationship: Relationship, parts: PollerParts, { spread }: { spread: boolean }) {
    this.relationship = relationship;
    this.#parts = parts;
    this.#schedule(spread ? startSpreadMs * parts.random.fraction() : 0);
  }

  get state(): PollState {
    return this.#state;
  }

  /** Looks now; after the look that is under way, which may have begun before what the caller knows of. */
  refresh(): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    const turn = this.#turns.then(() => this.#look());
    this.#turns = turn.catch(() => undefined);
    return turn;
  }

  /** Looks now where that is due by the wall clock, or where it failed and what it lacked may be there now. */
  hurry(why: 'clock' | 'bundle'): void {
    const { nextPollAt, failures } = this.#state;
    if (nextPollAt === undefined) return;
    const due = why === 'clock' ? nextPollAt <= this.#parts.clock.now() : failures > 0;
    if (due) void this.refresh().catch(() => undefined);
  }

  stop(): void {
    this.#timer?.[Symbol.dispose]();
    this.#ended.abort(ended());
  }

  #schedule(ms: number): void {
    if (this.#ended.signal.aborted) return;
    this.#state = { ...this.#state, nextPollAt: this.#parts.clock.now() + ms };
    this.#timer?.[Symbol.dispose]();
    this.#timer = this.#parts.clock.after(ms, () => void this.refresh().catch(() => undefined));
  }

  async #look(): Promise<void> {
    this.#ended.signal.throwIfAborted();
    this.#timer?.[Symbol.dispose]();
    this.#state = { ...this.#state, nextPollAt: undefined };
    try {
      await this.#take();
      this.#state = { ...this.#state, fetchedAt: this.#parts.clock.now(), failures: 0, lastError: undefined };
    } catch (error) {
      this.#failed(error);
      throw error;
    } finally {
      this.#schedule(this.#pauseMs());
    }
  }

  async #take(): Promise<void> {
    const { foreign, log, counted } = this.#parts;
    const document = await fetchBundle(this.relationship, this.#parts, this.#ended.signal);
    const { bundle, changed } = await foreign.takeBundle(this.relationship, document);
    const { sequence, x509Authorities, jwtAuthorities } = bundle.bundle;
    counted(this.relationship.trustDomain, changed ? 'changed' : 'same');
    const found = { sequence: sequence?.toString(), x509: x509Authorities.length, jwt: jwtAuthorities.length };
    log[changed ? 'info' : 'debug']({ ...this.#endpoint(), ...found, changed }, 'a bundle was fetched');
  }

  #failed(error: unknown): void {
    if (this.#ended.signal.aborted) return;
    const { trustDomain } = this.relationship;
    const expected = error instanceof IdentityError;
    const lastError = expected ? error.message : 'internal error, see the log';
    this.#state = { ...this.#state, failures: this.#state.failures + 1, lastError };
    this.#parts.counted(trustDomain, 'failed');
    const facts = { ...this.#endpoint(), failures: this.#state.failures, err: expected ? error.cause : error };
    const kept = this.#parts.foreign.bundle(trustDomain) === undefined ? 'none is known' : 'the last one is kept';
    this.#parts.log.warn(facts, `no bundle of ${trustDomain} was fetched and ${kept}: ${lastError}`);
  }

  #pauseMs(): number {
    const { foreign, random, floorMs } = this.#parts;
    const known = foreign.bundle(this.relationship.trustDomain);
    const { failures } = this.#state;
    const hintSeconds = known?.bundle.refreshHintSeconds;
    return pauseMs({ hintSeconds, known: known !== undefined, failures, floorMs: floorMs() }, random.fraction());
  }

  /** FD-39: for forensics, who was asked and on whose word. */
  #endpoint() {
    const { trustDomain, endpointUrl, profile, endpointSpiffeId } = this.relationship;
    return { trustDomain, endpointUrl, profile, endpointSpiffeId };
  }
}

const ended = (): IdentityError => new IdentityError('cancelled', 'the federation was changed or mayfly is stopping');
