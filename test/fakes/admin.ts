import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type StatusObject,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { grpcStatus, IdentityError } from '../../src/errors.ts';
import {
  AdminService,
  type CreateEntriesProgress,
  type CreateEntriesRequest,
  type Entry,
  type LedgerRecord,
  type ListEntriesRequest,
  type ListRecordsRequest,
  type Person,
  type UpdateEntryRequest,
  type VerifyLedgerResponse,
} from '../../src/gen/mayfly/admin/v1/admin.ts';

const epoch = new Date('2026-11-23T12:00:00.123Z');

/** The admin API over people, entries and records in memory, on a real Unix socket. Knows few rules, keeps those. */
export class FakeAdmin implements AsyncDisposable {
  readonly people = new Map<string, Person>();
  readonly entries = new Map<string, Entry>();
  readonly records: LedgerRecord[] = [];
  verdict: VerifyLedgerResponse = { ok: true, records: 3, segments: 1, firstBadSeq: 0, problem: '', head: 'abc123' };
  readonly archives: { before: Date | undefined; directory: string }[] = [];
  readonly #server = new Server({ 'grpc.max_receive_message_length': -1 });

  static async listen(path: string): Promise<FakeAdmin> {
    const fake = new FakeAdmin();
    fake.#server.addService(AdminService, fake.#service);
    await new Promise<void>((resolve, reject) => {
      const credentials = ServerCredentials.createInsecure();
      fake.#server.bindAsync(`unix:${path}`, credentials, (error) => (error === null ? resolve() : reject(error)));
    });
    return fake;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }

  readonly #service = {
    addPerson: answer(({ id, name, email }: { id: string; name: string; email: string }) => {
      if (id === 'crash') throw new Error('a defect');
      if (this.people.has(id)) throw new IdentityError('already-exists', `there is already a person '${id}'`);
      const person = { id, name, email, enabled: true, createdAt: epoch, entries: 0 };
      this.people.set(id, person);
      return person;
    }),
    listPeople: answer(() => ({ people: [...this.people.values()].map((person) => this.#counted(person)) })),
    getPerson: answer(({ id }: { id: string }) => this.#counted(this.#person(id))),
    setPersonEnabled: answer(({ id, enabled }: { id: string; enabled: boolean }) => {
      const person = { ...this.#person(id), enabled };
      this.people.set(id, person);
      return this.#counted(person);
    }),

    createEntries: (call: ServerDuplexStream<CreateEntriesRequest, CreateEntriesProgress>) => {
      const drafts: Entry[] = [];
      call.on('data', ({ entries, done }: CreateEntriesRequest) => {
        drafts.push(...entries);
        if (!done) return void call.write({ received: drafts.length, done: false, entries: [], warnings: [] });
        try {
          const created = this.#create(drafts);
          const warnings = created
            .filter((entry) => entry.selectors.every((selector) => selector.startsWith('unix:path:')))
            .map((entry) => ({ entryId: entry.id, text: 'rests on a path alone' }));
          call.write({ received: drafts.length, done: true, entries: created, warnings });
          call.end();
        } catch (error) {
          call.emit('error', statusOf(error));
        }
      });
    },
    getEntry: answer(({ id }: { id: string }) => this.#entry(id)),
    listEntries: (call: ServerWritableStream<ListEntriesRequest, Entry>) => {
      for (const entry of this.#matching(call.request)) call.write(entry);
      call.end();
    },
    countEntries: answer((filter: ListEntriesRequest) => ({ count: this.#matching(filter).length })),
    updateEntry: answer(({ entry, fields }: UpdateEntryRequest) => {
      const before = this.#entry(entry?.id ?? '');
      const named = fields.map((field) => field.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()));
      const changes = Object.entries(entry ?? {}).filter(([key]) => named.includes(key));
      const after: Entry = { ...before, ...Object.fromEntries(changes), revision: before.revision + 1 };
      this.entries.set(after.id, after);
      return { entry: after, warnings: [] };
    }),
    deleteEntry: answer(({ id }: { id: string }) => {
      const entry = this.#entry(id);
      this.entries.delete(id);
      return entry;
    }),

    getBundle: answer(() => ({
      trustDomain: 'example.org',
      x509Authorities: [Buffer.from('3003020101', 'hex')],
      jwks: '{"keys":[]}',
      spiffe: '{"keys":[],"spiffe_sequence":7}',
    })),
    listAuthorities: answer(() => ({
      authorities: [
        {
          id: 'a1',
          kind: 'x509',
          keyType: 'ec-p256',
          state: 'active',
          preparedAt: epoch,
          activatesAt: epoch,
          expiresAt: new Date('2026-11-24T12:00:00Z'),
        },
      ],
    })),
    explain: answer(({ pid }: { pid: number }) => {
      if (pid === 1) throw new IdentityError('not-found', 'there is no process 1');
      const near = [...this.entries.values()].map((entry) => ({
        entry,
        reason: 'missing-selector',
        missingSelector: entry.selectors[0] ?? '',
        missing: 2,
      }));
      // A path that tries to clear the screen of whoever looks at it.
      const path = '/opt/\u001b[2Jweb';
      return { pid, uid: 1000, gid: 1000, path, startedAt: epoch, selectors: ['unix:uid:1000'], matched: [], near };
    }),

    listRecords: (call: ServerWritableStream<ListRecordsRequest, LedgerRecord>) => {
      const { seq, limit, kind, since } = call.request;
      const found = this.records
        .filter((record) => (seq === 0 || record.seq === seq) && (kind === '' || record.kind === kind))
        .filter((record) => since === undefined || (record.at ?? epoch) >= since);
      for (const record of limit === 0 ? found : found.slice(-limit)) call.write(record);
      call.end();
    },
    verifyLedger: answer(() => this.verdict),
    archiveLedger: answer((request: { before: Date | undefined; directory: string }) => {
      this.archives.push(request);
      return { segments: 2, records: 2000 };
    }),
    getStatus: answer(() => ({
      version: '0.1.0',
      trustDomain: 'example.org',
      socket: '/run/mayfly/public/api.sock',
      startedAt: epoch,
      entries: this.entries.size,
      people: this.people.size,
      openStreams: 0,
      ledgerRecords: this.records.length,
    })),
  };

  #create(drafts: readonly Entry[]): Entry[] {
    const created = drafts.map((draft, index) => {
      if (!this.people.has(draft.owner)) {
        throw new IdentityError('not-found', `entry ${index + 1}: there is no person '${draft.owner}'`);
      }
      return { ...draft, id: `e${this.entries.size + index + 1}`, revision: 1, createdAt: epoch };
    });
    for (const entry of created) this.entries.set(entry.id, entry);
    return created;
  }

  #person(id: string): Person {
    const person = this.people.get(id);
    if (person === undefined) throw new IdentityError('not-found', `there is no person '${id}'`);
    return person;
  }

  #counted(person: Person): Person {
    return { ...person, entries: [...this.entries.values()].filter((entry) => entry.owner === person.id).length };
  }

  #entry(id: string): Entry {
    const entry = this.entries.get(id);
    if (entry === undefined) throw new IdentityError('not-found', `there is no entry '${id}'`);
    return entry;
  }

  #matching({ spiffeId, owner, selectors, limit }: ListEntriesRequest): Entry[] {
    const found = [...this.entries.values()].filter(
      (entry) =>
        (spiffeId === '' || entry.spiffeId === spiffeId) &&
        (owner === '' || entry.owner === owner) &&
        selectors.every((selector) => entry.selectors.includes(selector)),
    );
    return limit === 0 ? found : found.slice(0, limit);
  }
}

function answer<Request, Response>(run: (request: Request) => Response) {
  return (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>): void => {
    try {
      callback(null, run(call.request));
    } catch (error) {
      callback(statusOf(error));
    }
  };
}

function statusOf(error: unknown): Partial<StatusObject> {
  if (!(error instanceof IdentityError)) return { code: status.INTERNAL, details: 'internal error, incident 4f1c' };
  return { code: grpcStatus(error.code), details: error.message };
}
