/** An operator who gives one order after the other and writes down each, before it is given and once it is answered. */
import { credentials, type ServiceError } from '@grpc/grpc-js';
import { AdminClient, type Entry, type ListRevocationsResponse } from '../../src/gen/mayfly/admin/v1/admin.ts';
import type { Chance } from './chance.ts';
import { blank, isOf, labelled, stateOf, wire } from './entries.ts';
import type { EntryState, History, Order, PersonState } from './history.ts';

type Done<T> = (error: ServiceError | null, answer: T) => void;
const deadlineMs = 20_000;

export interface Surroundings {
  readonly history: History;
  readonly chance: Chance;
  /** The users whose workloads there are. */
  readonly uids: readonly number[];
  readonly archive: string;
  /** The issuer's clock. */
  readonly now: () => number;
  /** What a workload of that user holds, by serial numbers and `jti`s. */
  readonly held: (uid: number) => readonly string[];
}

export class Operator {
  readonly #around: Surroundings;
  #client: AdminClient | undefined;
  #orders = 0;
  #entries = new Map<string, EntryState>();
  #people = new Map<string, boolean>();
  #bundle = '';

  constructor(around: Surroundings) {
    this.#around = around;
  }

  /** To an issuer that has just begun to serve. */
  connect(adminSocket: string): void {
    this.disconnect();
    this.#client = new AdminClient(`unix://${adminSocket}`, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
    });
  }

  disconnect(): void {
    this.#client?.close();
    this.#client = undefined;
  }

  get entries(): readonly EntryState[] {
    return [...this.#entries.values()];
  }

  /** The bundle, as it was when everything was looked at last. */
  get bundle(): string {
    return this.#bundle;
  }

  /** Looks at everything there is. */
  async look(write = true): Promise<void> {
    const client = this.#connected();
    const entries: EntryState[] = [];
    const all = { spiffeId: '', owner: '', selectors: [], limit: 0 };
    for await (const entry of client.listEntries(all, deadline())) entries.push(stateOf(entry as Entry));
    const { people } = await answer<{ people: PersonState[] }>((done) => client.listPeople({}, deadline(), done));
    this.#entries = new Map(entries.map((entry) => [entry.id, entry]));
    this.#people = new Map(people.map(({ id, enabled }) => [id, enabled]));
    const persons = people.map(({ id, enabled }) => ({ id, enabled }));
    const { revocations } = await answer<ListRevocationsResponse>((done) =>
      client.listRevocations({}, deadline(), done),
    );
    const revoked = revocations.map(({ serial, jti }) => serial || jti);
    if (write) this.#around.history.write({ t: 'state', entries, people: persons, revoked });
    const { spiffe } = await answer<{ spiffe: string }>((done) => client.getBundle({}, deadline(), done));
    if (write) this.#around.history.write({ t: 'bundle', spiffe });
    this.#bundle = spiffe;
  }

  /** A load of entries that costs memory and changes nothing: the last of them is none. */
  async burden(): Promise<void> {
    const call = this.#connected().createEntries(deadline());
    const ended = new Promise<void>((resolve) => call.on('error', () => resolve()).on('end', () => resolve()));
    call.on('data', () => undefined);
    const many = Array.from({ length: 1_000 }, (_, index) => {
      return wire({
        ...blank,
        spiffeId: `spiffe://example.org/many/${index}`,
        selectors: ['unix:uid:1'],
        owner: 'ada',
      });
    });
    for (let chunk = 0; chunk < 20; chunk++) call.write({ entries: many, done: false });
    call.write({ entries: [wire(blank)], done: true });
    call.end();
    await ended;
  }

  async verifyLedger(): Promise<{ readonly ok: boolean; readonly problem: string }> {
    return answer((done) => this.#connected().verifyLedger({}, deadline(), done));
  }

  /** The people, and for each user one entry that stays. */
  async furnish(): Promise<void> {
    for (const person of ['ada', 'grace'])
      if (!this.#people.has(person)) await this.order({ do: 'add-person', person });
    for (const uid of this.#around.uids) {
      if (!this.entries.some((entry) => entry.owner === 'ada' && isOf(entry, uid)))
        await this.order(this.newEntry(uid, 'ada'));
    }
  }

  /** One order of any kind. @returns whether it was carried out */
  async anything(): Promise<boolean> {
    return (await this.order(this.#choose())) === 0;
  }

  /** @returns the status: 0 where it was acknowledged */
  async order(order: Order): Promise<number> {
    const { history } = this.#around;
    const op = ++this.#orders;
    history.write({ t: 'ask', op, ...labelled(order, op) });
    try {
      const entry = await this.#give(labelled(order, op));
      history.write(entry === undefined ? { t: 'done', op } : { t: 'done', op, entry });
      return 0;
    } catch (error) {
      const { code = -1, details = String(error) } = error as ServiceError;
      history.write({ t: 'refused', op, code, text: details });
      return code;
    }
  }

  #choose(): Order {
    const { chance, uids } = this.#around;
    const uid = chance.of(uids);
    const graces = this.entries.filter(({ owner }) => owner === 'grace');
    const roll = chance.below(100);
    if (roll < 6) return { do: 'set-person', person: 'grace', enabled: !this.#people.get('grace') };
    if (roll < 9) return { do: 'archive' };
    const credential = roll < 13 && uid !== undefined ? chance.of(this.#around.held(uid)) : undefined;
    if (credential !== undefined) return { do: 'revoke', credential };
    const victim = chance.of(graces);
    if (graces.length > 5 || (roll < 25 && victim !== undefined)) return { do: 'delete-entry', id: victim?.id ?? '' };
    const changed = chance.of(this.entries);
    if (roll < 60 && changed !== undefined) {
      return { do: 'update-entry', id: changed.id, description: '', hint: `hint-${chance.below(1_000_000)}` };
    }
    if (!this.#people.get('grace')) return { do: 'set-person', person: 'grace', enabled: true };
    return this.newEntry(uid ?? 0, 'grace');
  }

  newEntry(uid: number, owner: string): Order {
    const { chance, now } = this.#around;
    const entry = {
      spiffeId: `spiffe://example.org/u${uid}/${chance.name()}`,
      selectors: [`unix:uid:${uid}`],
      owner,
      description: '',
      hint: '',
      audiences: ['*'],
      x509SvidTtl: owner === 'ada' ? 0 : (chance.of([0, 5, 7, 30]) ?? 0),
      jwtSvidTtl: owner === 'ada' ? 0 : (chance.of([0, 5, 9]) ?? 0),
      expiresAt:
        owner === 'grace' && chance.below(4) === 0 ? Math.floor(now() / 1000) * 1000 + 1000 * (3 + chance.below(9)) : 0,
    };
    return { do: 'create-entry', entry };
  }

  async #give(order: Order): Promise<EntryState | undefined> {
    const client = this.#connected();
    switch (order.do) {
      case 'add-person':
        await answer((done) => client.addPerson({ id: order.person, name: order.person, email: '' }, deadline(), done));
        this.#people.set(order.person, true);
        return undefined;
      case 'set-person':
        await answer((done) => client.setPersonEnabled({ id: order.person, enabled: order.enabled }, deadline(), done));
        this.#people.set(order.person, order.enabled);
        return undefined;
      case 'archive': {
        const request = { before: new Date(this.#around.now() - 2_000), directory: this.#around.archive };
        await answer((done) => client.archiveLedger(request, deadline(), done));
        return undefined;
      }
      case 'revoke': {
        // A jti is a UUID.
        const isToken = order.credential.includes('-');
        const name = isToken ? { serial: '', jti: order.credential } : { serial: order.credential, jti: '' };
        await answer((done) => client.revokeCredential({ ...name, reason: '' }, deadline(), done));
        return undefined;
      }
      case 'taint': {
        const request = { verb: 'taint', kind: order.use, id: '', dryRun: false, force: ['active', 'unexpired'] };
        const call = client.orderAuthority(request, deadline());
        await new Promise<void>((resolve, reject) => call.on('end', resolve).on('error', reject).resume());
        return undefined;
      }
      case 'delete-entry':
        await answer((done) => client.deleteEntry({ id: order.id }, deadline(), done));
        this.#entries.delete(order.id);
        return undefined;
      case 'update-entry': {
        const entry = { ...wire(blank), id: order.id, description: order.description, hint: order.hint };
        const request = { entry, fields: ['description', 'hint'] };
        const updated = await answer<{ entry: Entry }>((done) =>
          client.updateEntry(request, deadline(), done as never),
        );
        return this.#know(updated.entry);
      }
      case 'create-entry':
        return this.#know(await this.#createOne(order.entry));
    }
  }

  #createOne(entry: Omit<EntryState, 'id' | 'revision'>): Promise<Entry> {
    const call = this.#connected().createEntries(deadline());
    return new Promise((resolve, reject) => {
      call.on('data', ({ done, entries }) => done && resolve(entries[0]));
      call.on('error', reject);
      call.write({ entries: [wire({ ...entry, id: '', revision: 0 })], done: false });
      call.write({ entries: [], done: true });
      call.end();
    });
  }

  #know(entry: Entry): EntryState {
    const state = stateOf(entry);
    this.#entries.set(state.id, state);
    return state;
  }

  #connected(): AdminClient {
    if (this.#client === undefined) throw new Error('not connected');
    return this.#client;
  }
}

const deadline = () => ({ deadline: Date.now() + deadlineMs }) as never;

const answer = <T>(begin: (done: Done<T>) => unknown): Promise<T> =>
  new Promise((resolve, reject) => begin((error, value) => (error === null ? resolve(value) : reject(error))));
