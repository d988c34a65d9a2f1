/** Every change of the registry and every admin call becomes a ledger record, in the order in which it happened. */
import { IdentityError } from '../errors.ts';
import type { Actor, Ledger, LedgerEvent, Outcome, RegistryStep } from '../ledger/ledger.ts';
import type { ForeignBundle, IntendedChange, Person, Relationship } from '../registry/registry.ts';
import { failpoint } from '../runtime/failpoint.ts';
import type { Call } from '../runtime/grpc-server.ts';
import type { Log } from '../runtime/log.ts';
import type { Peer } from '../runtime/peer.ts';
import type { AudiencePolicy } from '../spiffe/audience.ts';
import type { Entry } from '../spiffe/entry.ts';

/** So many records of one change are handed to the ledger at a time: a bulk load must not fill memory with waiting lines. */
const batch = 1_000;

export class Recorder {
  readonly #ledger: Ledger;
  readonly #log: Log;

  constructor(ledger: Ledger, log: Log) {
    this.#ledger = ledger;
    this.#log = log;
  }

  /** Before a change is committed: so nothing takes effect that is not on record, and its record stands before its effects. */
  async change(change: IntendedChange): Promise<void> {
    let underWay: Promise<unknown> = Promise.resolve();
    for (const events of inBatches(eventsOf(change))) {
      const written = Promise.all(events.map((event) => this.#ledger.append(event)));
      // Waited for below, unless a batch before it has failed.
      written.catch(() => undefined);
      // While the disk takes one batch, the next is made.
      await underWay;
      underWay = written;
    }
    await underWay;
  }

  /** Runs one admin call, and puts it on record before it is answered. */
  async call<T>(method: string, call: Call<Peer>, work: () => Promise<T> | T): Promise<T> {
    const event = { kind: 'admin.call', method, ...actorOf(call.peer) } as const;
    const refused = async (error: unknown): Promise<never> => {
      const outcome: Outcome = error instanceof IdentityError ? error.code : 'internal';
      await this.#ledger
        .append({ ...event, outcome })
        .catch((cause) => this.#log.error({ err: cause }, 'a refused admin call could not be recorded'));
      throw error;
    };
    failpoint('admin.called');
    const result = await (async () => work())().catch(refused);
    failpoint('admin.worked');
    await this.#ledger.append({ ...event, outcome: 'ok' }).catch(doneUnrecorded);
    failpoint('admin.recorded');
    return result;
  }
}

/** Whoever gave the order must not take it for refused, and repeat it. */
function doneUnrecorded(cause: unknown): never {
  if (!(cause instanceof IdentityError)) throw cause;
  const message = `it was done, and cannot be answered because that cannot be recorded: ${cause.message}`;
  throw new IdentityError(cause.code, message, {
    cause,
    ...(cause.reason === undefined ? {} : { reason: cause.reason }),
  });
}

export const actorOf = ({ process, credentials }: Peer): Actor => ({
  actorUid: credentials.uid,
  actorPid: process.pid,
});

function* inBatches<T>(all: Iterable<T>): Generator<T[], void, undefined> {
  let some: T[] = [];
  for (const one of all) {
    if (some.push(one) < batch) continue;
    yield some;
    some = [];
  }
  if (some.length > 0) yield some;
}

/** One at a time: a bulk load has hundreds of thousands. */
function* eventsOf(change: IntendedChange): Generator<LedgerEvent, void, undefined> {
  const step = { registryVersion: change.version, ...change.by };
  for (const { before, after } of change.people) yield personEvent(before, after, step);
  for (const { before, after } of change.entries) yield entryEvent(before, after, step);
  for (const { before, after } of change.relationships) yield federationEvent(before, after, step);
  for (const { before, after } of change.bundles) yield bundleEvent(before, after, step);
  for (const { before, after } of change.audiences) yield audienceEvent(before, after, step);
}

function personEvent(before: Person | undefined, { id, name, enabled }: Person, step: RegistryStep): LedgerEvent {
  if (before === undefined) return { kind: 'person.added', person: id, name, ...step };
  return { kind: enabled ? 'person.enabled' : 'person.disabled', person: id, ...step };
}

function entryEvent(before: Entry | undefined, after: Entry | undefined, step: RegistryStep): LedgerEvent {
  const entry = after ?? before;
  if (entry === undefined) throw new TypeError('a change of an entry without the entry');
  const about = { entry: entry.id, spiffeId: entry.spiffeId, owner: entry.owner, ...step };
  if (before === undefined) return { kind: 'entry.created', ...about, after: entry };
  if (after === undefined) return { kind: 'entry.deleted', ...about, before };
  return { kind: 'entry.updated', ...about, before, after };
}

function federationEvent(
  before: Relationship | undefined,
  after: Relationship | undefined,
  step: RegistryStep,
): LedgerEvent {
  const relationship = after ?? before;
  if (relationship === undefined) throw new TypeError('a change of a relationship without the relationship');
  const about = { trustDomain: relationship.trustDomain, ...step };
  if (before === undefined) return { kind: 'federation.created', ...about, after: relationship };
  if (after === undefined) return { kind: 'federation.deleted', ...about, before };
  return { kind: 'federation.updated', ...about, before, after };
}

function audienceEvent(
  before: AudiencePolicy | undefined,
  after: AudiencePolicy | undefined,
  step: RegistryStep,
): LedgerEvent {
  if (after !== undefined) return { kind: 'audience.set', name: after.name, ...step, before, after };
  if (before === undefined) throw new TypeError('a change of an audience without the audience');
  return { kind: 'audience.deleted', name: before.name, ...step, before };
}

function bundleEvent(
  before: ForeignBundle | undefined,
  after: ForeignBundle | undefined,
  step: RegistryStep,
): LedgerEvent {
  const foreign = after ?? before;
  if (foreign === undefined) throw new TypeError('a change of a bundle without the bundle');
  const { bundle, source, digest } = foreign;
  return {
    kind: after === undefined ? 'bundle.deleted' : 'bundle.stored',
    trustDomain: bundle.trustDomain,
    source,
    digest,
    sequence: bundle.sequence?.toString(),
    x509Authorities: bundle.x509Authorities.length,
    jwtAuthorities: bundle.jwtAuthorities.length,
    ...step,
  };
}
