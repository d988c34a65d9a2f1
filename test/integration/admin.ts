import { credentials, type ServiceError } from '@grpc/grpc-js';
import {
  AdminClient,
  type Authority,
  type CreateEntriesProgress,
  type Entry,
  type Federation,
  type GetBundleResponse,
  type GetStatusResponse,
  type LedgerRecord,
  type ListAuthoritiesResponse,
  type ListRecordsRequest,
  type OrderAuthorityRequest,
  type Person,
  type VerifyLedgerResponse,
} from '../../src/gen/mayfly/admin/v1/admin.ts';

export type EntryDraft = Pick<Entry, 'spiffeId' | 'selectors'> & Partial<Entry>;

const blank: Entry = {
  id: '',
  spiffeId: '',
  selectors: [],
  owner: 'ada',
  description: '',
  x509SvidTtl: 0,
  jwtSvidTtl: 0,
  dnsNames: [],
  subject: '',
  hint: '',
  federatesWith: [],
  audiences: [],
  expiresAt: undefined,
  revision: 0,
  createdAt: undefined,
};

type Done<T> = (error: ServiceError | null, answer: T) => void;
const promise = <T>(begin: (done: Done<T>) => unknown): Promise<T> =>
  new Promise((resolve, reject) => begin((error, answer) => (error === null ? resolve(answer) : reject(error))));

/** What an operator does between two looks of a test: the admin API without the price of starting a command. */
export class Operator implements Disposable {
  readonly #client: AdminClient;

  constructor(adminSocket: string) {
    this.#client = new AdminClient(`unix://${adminSocket}`, credentials.createInsecure());
  }

  addPerson(id: string): Promise<Person> {
    return promise((done) => this.#client.addPerson({ id, name: id, email: '' }, done));
  }

  setPersonEnabled(id: string, enabled: boolean): Promise<Person> {
    return promise((done) => this.#client.setPersonEnabled({ id, enabled }, done));
  }

  reloadConfig(): Promise<unknown> {
    return promise((done) => this.#client.reloadConfig({}, done));
  }

  async create(draft: EntryDraft): Promise<Entry> {
    const [entry] = await this.createAll([draft]);
    if (entry === undefined) throw new Error('no entry came back');
    return entry;
  }

  /** One call, one transaction. */
  createAll(drafts: readonly EntryDraft[]): Promise<Entry[]> {
    return new Promise((resolve, reject) => {
      const call = this.#client.createEntries();
      call.on('data', (progress: CreateEntriesProgress) => progress.done && resolve(progress.entries));
      call.on('error', reject);
      call.write({ entries: drafts.map((draft) => ({ ...blank, ...draft })), done: false });
      call.write({ entries: [], done: true });
      call.end();
    });
  }

  async update(entry: Entry, change: Partial<Entry>): Promise<Entry> {
    const request = { entry: { ...entry, ...change }, fields: Object.keys(change).map(snake) };
    const answer = await promise<{ entry: Entry | undefined }>((done) => this.#client.updateEntry(request, done));
    if (answer.entry === undefined) throw new Error('no entry came back');
    return answer.entry;
  }

  remove(entry: Entry): Promise<Entry> {
    return promise((done) => this.#client.deleteEntry({ id: entry.id }, done));
  }

  async entries(): Promise<Entry[]> {
    const all = { spiffeId: '', owner: '', selectors: [], limit: 0 };
    const entries: Entry[] = [];
    for await (const entry of this.#client.listEntries(all)) entries.push(entry as Entry);
    return entries;
  }

  bundle(): Promise<GetBundleResponse> {
    return promise((done) => this.#client.getBundle({}, done));
  }

  refreshFederation(trustDomain: string): Promise<Federation> {
    return promise((done) => this.#client.refreshFederation({ trustDomain }, done));
  }

  status(): Promise<GetStatusResponse> {
    return promise((done) => this.#client.getStatus({}, done));
  }

  async authorities(): Promise<Authority[]> {
    return (await promise<ListAuthoritiesResponse>((done) => this.#client.listAuthorities({}, done))).authorities;
  }

  /** Resolves once the order is carried out. */
  async order(order: Partial<OrderAuthorityRequest>): Promise<void> {
    const all = { verb: '', kind: '', id: '', dryRun: false, force: [], ...order };
    for await (const _ of this.#client.orderAuthority(all));
  }

  verifyLedger(): Promise<VerifyLedgerResponse> {
    return promise((done) => this.#client.verifyLedger({}, done));
  }

  async records(filter: Partial<ListRecordsRequest> = {}): Promise<LedgerRecord[]> {
    const all = {
      spiffeId: '',
      owner: '',
      pid: 0,
      serial: '',
      jti: '',
      exchange: '',
      authority: '',
      since: undefined,
      kind: '',
      seq: 0,
      limit: 0,
    };
    const records: LedgerRecord[] = [];
    for await (const record of this.#client.listRecords({ ...all, ...filter })) records.push(record as LedgerRecord);
    return records;
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
