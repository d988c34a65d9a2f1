/** Every change of the registry and every admin call becomes a ledger record, in the order in which it happened. */
import { IdentityError } from '../errors.ts';
import type { Actor, Ledger, LedgerEvent, Outcome } from '../ledger/ledger.ts';
import type { Registry, RegistryChange } from '../registry/registry.ts';
import type { Call } from '../runtime/grpc-server.ts';
import type { Log } from '../runtime/log.ts';
import type { Peer } from '../runtime/peer.ts';
import type { Entry } from '../spiffe/entry.ts';

export class Recorder {
  readonly #ledger: Ledger;
  readonly #log: Log;
  readonly #subscription: Disposable;
  #last: Promise<unknown> = Promise.resolve();

  /** Subscribes first: what is issued because of a change is recorded after the change. */
  constructor(ledger: Ledger, registry: Registry, log: Log) {
    this.#ledger = ledger;
    this.#log = log;
    this.#subscription = registry.onChange((change) => this.#write(eventsOf(change, registry)));
  }

  /** Runs one admin call; it is answered once everything it did is on disk, and the call itself too. */
  async call<T>(method: string, call: Call<Peer>, work: () => Promise<T> | T): Promise<T> {
    const actor = actorOf(call.peer);
    try {
      const result = await work();
      this.#write([{ kind: 'admin.call', method, outcome: 'ok', ...actor }]);
      await this.#last;
      return result;
    } catch (error) {
      const outcome: Outcome = error instanceof IdentityError ? error.code : 'internal';
      this.#write([{ kind: 'admin.call', method, outcome, ...actor }]);
      await this.#last.catch((cause) => this.#log.error({ err: cause }, 'a refused admin call could not be recorded'));
      throw error;
    }
  }

  close(): void {
    this.#subscription[Symbol.dispose]();
  }

  /** Appending is in order, so the last one stands for all before it. */
  #write(events: readonly LedgerEvent[]): void {
    const appended = Promise.all(events.map((event) => this.#ledger.append(event)));
    appended.catch(() => undefined);
    this.#last = appended;
  }
}

export const actorOf = ({ process, credentials }: Peer): Actor => ({
  actorUid: credentials.uid,
  actorPid: process.pid,
});

function eventsOf(change: RegistryChange, registry: Registry): LedgerEvent[] {
  const people = change.people.map((person): LedgerEvent => {
    const { name, enabled } = registry.person(person);
    if (change.added) return { kind: 'person.added', person, name, ...change.by };
    return { kind: enabled ? 'person.enabled' : 'person.disabled', person, ...change.by };
  });
  return [...people, ...change.entries.map(({ before, after }) => entryEvent(before, after, change.by))];
}

function entryEvent(before: Entry | undefined, after: Entry | undefined, by: Actor | undefined): LedgerEvent {
  const entry = after ?? before;
  if (entry === undefined) throw new TypeError('a change of an entry without the entry');
  const about = { entry: entry.id, spiffeId: entry.spiffeId, owner: entry.owner, ...by };
  if (before === undefined) return { kind: 'entry.created', ...about, after: entry };
  if (after === undefined) return { kind: 'entry.deleted', ...about, before };
  return { kind: 'entry.updated', ...about, before, after };
}
