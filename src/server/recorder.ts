/** Every change of the registry and every admin call becomes a ledger record, in the order in which it happened. */
import { IdentityError } from '../errors.ts';
import type { Actor, Ledger, LedgerEvent, Outcome, RegistryStep } from '../ledger/ledger.ts';
import type { IntendedChange, Person } from '../registry/registry.ts';
import { failpoint } from '../runtime/failpoint.ts';
import type { Call } from '../runtime/grpc-server.ts';
import type { Log } from '../runtime/log.ts';
import type { Peer } from '../runtime/peer.ts';
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
    for (let at = 0; at < Math.max(change.people.length, change.entries.length); at += batch) {
      await Promise.all(eventsOf(change, at, at + batch).map((event) => this.#ledger.append(event)));
    }
  }

  /** Runs one admin call, and puts it on record before it is answered. */
  async call<T>(method: string, call: Call<Peer>, work: () => Promise<T> | T): Promise<T> {
    const event = { kind: 'admin.call', method, ...actorOf(call.peer) } as const;
    try {
      failpoint('admin.called');
      const result = await work();
      failpoint('admin.worked');
      await this.#ledger.append({ ...event, outcome: 'ok' });
      failpoint('admin.recorded');
      return result;
    } catch (error) {
      const outcome: Outcome = error instanceof IdentityError ? error.code : 'internal';
      await this.#ledger
        .append({ ...event, outcome })
        .catch((cause) => this.#log.error({ err: cause }, 'a refused admin call could not be recorded'));
      throw error;
    }
  }
}

export const actorOf = ({ process, credentials }: Peer): Actor => ({
  actorUid: credentials.uid,
  actorPid: process.pid,
});

function eventsOf({ people, entries, by, version }: IntendedChange, from: number, to: number): LedgerEvent[] {
  const step = { registryVersion: version, ...by };
  return [
    ...people.slice(from, to).map(({ before, after }) => personEvent(before, after, step)),
    ...entries.slice(from, to).map(({ before, after }) => entryEvent(before, after, step)),
  ];
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
