import { setImmediate as nextTurn } from 'node:timers/promises';
import { IdentityError } from '../errors.ts';
import { failpoint } from '../runtime/failpoint.ts';
import { checkEntry, type Entry, type EntryDraft, type EntryFields, entryWarnings } from '../spiffe/entry.ts';
import type { Selector } from '../spiffe/selector.ts';
import { LiveAudiences } from './audiences.ts';
import { byAge, type Change, Contents, type EntryFilter, noChange } from './contents.ts';
import { LiveForeignTrust } from './foreign-trust.ts';
import type { NearMiss } from './near.ts';
import { checkPerson, type Person, type PersonDraft } from './person.ts';
import type {
  Author,
  CreatedEntries,
  EntryWarning,
  Registry,
  RegistryChange,
  RegistryOptions,
  UpdatedEntry,
} from './registry.ts';
import { Sharing } from './sharing.ts';
import { Store } from './store.ts';

/** Checking so many drafts takes some milliseconds; then whoever else waits for the event loop has a turn. */
const draftsPerTurn = 512;

/** Readers see memory; a writer waits for its turn, makes the change durable, and only then does memory follow. */
export class LiveRegistry implements Registry {
  readonly #options: RegistryOptions;
  readonly #store: Store;
  readonly #contents = new Contents();
  readonly foreign: LiveForeignTrust;
  readonly audiences: LiveAudiences;
  readonly #listeners = new Set<(change: RegistryChange) => void>();
  #turns: Promise<unknown> = Promise.resolve();
  #closed = false;

  private constructor(options: RegistryOptions, store: Store) {
    this.#options = options;
    this.#store = store;
    const parts = {
      options,
      contents: this.#contents,
      inTurn: <T>(work: () => Promise<T>) => this.#inTurn(work),
      commit: (change: Change, by: Author | undefined) => this.#commit(change, by),
    };
    this.foreign = new LiveForeignTrust(parts);
    this.audiences = new LiveAudiences(parts);
  }

  static async open(options: RegistryOptions): Promise<LiveRegistry> {
    const { store, people, entries, relationships, bundles, audiences } = await Store.open(options);
    const registry = new LiveRegistry(options, store);
    const loaded = {
      relationships: relationships.map(added),
      bundles: bundles.map(added),
      audiences: audiences.map(added),
    };
    registry.#contents.apply({ ...loaded, people: people.map(added), entries: entries.toSorted(byAge).map(added) });
    return registry;
  }

  entitled(selectors: ReadonlySet<Selector>, at: number): readonly Entry[] {
    return this.#contents.entitled(selectors, at);
  }

  near(selectors: ReadonlySet<Selector>, limit: number): readonly NearMiss[] {
    return this.#contents.near(selectors, limit, this.#options.clock.now());
  }

  wants(prefix: string): boolean {
    if (!/^[^:]+:([^:]+:)?$/.test(prefix)) throw new TypeError(`'${prefix}' is neither 'type:' nor 'type:kind:'`);
    return this.#contents.wants(prefix);
  }

  nextExpiry(after: number): number | undefined {
    return this.#contents.nextExpiry(after);
  }

  onChange(listener: (change: RegistryChange) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  addPerson(draft: PersonDraft, by?: Author): Promise<Person> {
    return this.#inTurn(async () => {
      const { id, name, email } = checkPerson(draft);
      if (this.#contents.person(id) !== undefined) throw personExists(id);
      const after = { id, name, email, enabled: true, createdAt: this.#options.clock.now() };
      await this.#commit({ ...noChange, people: [{ before: undefined, after }] }, by);
      return after;
    });
  }

  people(): readonly Person[] {
    return this.#contents.people();
  }

  person(id: string): Person {
    const person = this.#contents.person(id);
    if (person === undefined) throw noPerson(id);
    return person;
  }

  setPersonEnabled(id: string, enabled: boolean, by?: Author): Promise<Person> {
    return this.#inTurn(async () => {
      const before = this.person(id);
      const after = { ...before, enabled };
      if (before.enabled !== enabled) await this.#commit({ ...noChange, people: [{ before, after }] }, by);
      return after;
    });
  }

  createEntries(drafts: Iterable<EntryDraft>, by?: Author): Promise<CreatedEntries> {
    const all = [...drafts];
    return this.#inTurn(async () => {
      const entries = await this.#newEntries(all);
      if (entries.length > 0) await this.#commit({ ...noChange, entries: entries.map(added) }, by);
      return { entries, warnings: this.#warnings(entries) };
    });
  }

  entry(id: string): Entry {
    const entry = this.#contents.entry(id);
    if (entry === undefined) throw noEntry(id);
    return entry;
  }

  list(filter: EntryFilter = {}): readonly Entry[] {
    return this.#contents.list(filter);
  }

  count(filter: EntryFilter = {}): number {
    return this.#contents.count(filter);
  }

  updateEntry(id: string, patch: Partial<EntryDraft>, by?: Author): Promise<UpdatedEntry> {
    return this.#inTurn(async () => {
      const before = this.entry(id);
      const { revision, createdAt, id: _, ...fields } = before;
      const checked = checkEntry({ ...fields, ...patch }, this.#options.trustDomain);
      if (checked.owner !== before.owner) this.#checkOwner(checked.owner);
      const after = { id, ...checked, revision: revision + 1, createdAt };
      await this.#commit({ ...noChange, entries: [{ before, after }] }, by);
      return { entry: after, warnings: this.#warnings([after]) };
    });
  }

  deleteEntry(id: string, by?: Author): Promise<Entry> {
    return this.#inTurn(async () => {
      const before = this.entry(id);
      await this.#commit({ ...noChange, entries: [{ before, after: undefined }] }, by);
      return before;
    });
  }

  get version(): number {
    return this.#store.version;
  }

  close(): Promise<void> {
    if (this.#closed) return this.#turns.then(() => undefined);
    const closing = this.#inTurn(() => this.#store.close()).then(() => failpoint('registry.closed'));
    this.#closed = true;
    return closing;
  }

  /** One write at a time: what was checked against memory still holds when it is committed. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new IdentityError('unavailable', 'the registry is closed'));
    const turn = this.#turns.then(work);
    this.#turns = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  }

  async #commit(change: Change, by: Author | undefined): Promise<void> {
    await this.#options.record?.({ ...change, by, version: this.#store.version + 1 });
    failpoint('registry.recorded');
    await this.#store.commit(change);
    failpoint('registry.committed');
    this.#contents.apply(change);
    failpoint('registry.applied');
    const people = change.people.map(({ after }) => after.id);
    const told = {
      ...change,
      people,
      added: change.people.some(({ before }) => before === undefined),
      by,
    };
    for (const listener of [...this.#listeners]) listener(told);
    failpoint('registry.told');
  }

  async #newEntries(drafts: readonly EntryDraft[]): Promise<Entry[]> {
    const { clock, random } = this.#options;
    // Sorted, so that among entries of one moment the order of age is the order in which they were given.
    const ids = drafts.map(() => random.uuid()).sort();
    const createdAt = clock.now();
    const sharing = new Sharing();
    const entries: Entry[] = [];
    for (const [at, draft] of drafts.entries()) {
      const fields = numbered(at + 1, drafts.length, () => this.#check(draft));
      entries.push({ id: ids[at] ?? random.uuid(), ...sharing.fields(fields), revision: 1, createdAt });
      if (entries.length % draftsPerTurn === 0) await nextTurn();
    }
    return entries;
  }

  #check(draft: EntryDraft): EntryFields {
    const fields = checkEntry(draft, this.#options.trustDomain);
    this.#checkOwner(fields.owner);
    return fields;
  }

  /** Of each foreign trust domain that is not known yet once, however many entries name it. */
  #warnings(entries: readonly Entry[]): EntryWarning[] {
    const told = new Set<string>();
    return entries.flatMap((entry) => {
      const unknown = entry.federatesWith.filter(
        (name) => this.#contents.bundle(name) === undefined && !told.has(name),
      );
      for (const name of unknown) told.add(name);
      return [...entryWarnings(entry), ...unknown.map(notKnownYet)].map((text) => ({ entryId: entry.id, text }));
    });
  }

  #checkOwner(id: string): void {
    if (this.person(id).enabled) return;
    const message = `${id} is disabled and cannot be given entries; enable first: mayfly person enable ${id}`;
    throw new IdentityError('failed-precondition', message, { reason: 'owner-disabled' });
  }
}

const added = <T>(after: T): { before: undefined; after: T } => ({ before: undefined, after });

/** Says which of many drafts was refused. */
function numbered<T>(number: number, of: number, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof IdentityError) || of === 1) throw error;
    const reason = error.reason === undefined ? {} : { reason: error.reason };
    throw new IdentityError(error.code, `entry ${number}: ${error.message}`, { cause: error, ...reason });
  }
}

const notKnownYet = (name: string): string =>
  `No bundle of ${name} is known yet: until there is one, nobody there is believed. See mayfly federation create --help.`;

const noPerson = (id: string): IdentityError =>
  new IdentityError(
    'not-found',
    `there is no person ${quote(id)}; add them: mayfly person add ${quote(id)} --name "…"`,
  );

const personExists = (id: string): IdentityError =>
  new IdentityError('already-exists', `there is a person ${quote(id)} already: mayfly person show ${quote(id)}`);

const noEntry = (id: string): IdentityError =>
  new IdentityError('not-found', `there is no entry ${quote(id)}; see what exists: mayfly entry list`);

/** What was typed comes back as one word, whatever it holds. */
const quote = (text: string): string => (/^[\w@.-]{1,64}$/.test(text) ? text : JSON.stringify(text.slice(0, 64)));
