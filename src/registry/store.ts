import { existsSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Kysely, sql } from 'kysely';
import { IdentityError } from '../errors.ts';
import { failpoint } from '../runtime/failpoint.ts';
import type { TrustDomain } from '../spiffe/id.ts';
import type { Change } from './contents.ts';
import { createIfMissing, inspect, openForWriting } from './database.ts';
import { databaseError } from './database-error.ts';
import { nodeSqlite } from './dialect.ts';
import { load, type StoredContents } from './load.ts';
import { RowWriter } from './row-writer.ts';
import { registryRow } from './rows.ts';
import type { Tables } from './schema.ts';
import { RowSealer, Sum } from './seal.ts';

export interface StoreOptions {
  readonly path: string;
  readonly key: Buffer;
  readonly trustDomain: TrustDomain;
  readonly leastVersion?: number;
}

/** So many rows take some 10 ms; then whoever else waits for the event loop has a turn. */
const rowsPerTurn = 512;

/** The registry on disk. Written by one connection, one transaction at a time; read once, when it is opened. */
export class Store {
  readonly #options: StoreOptions;
  readonly #queries: Kysely<Tables>;
  readonly #sealer: RowSealer;
  #sum: Sum;
  #version: number;

  private constructor(options: StoreOptions, database: DatabaseSync, sealer: RowSealer, sum: Sum, version: number) {
    this.#options = options;
    this.#queries = new Kysely<Tables>({ dialect: nodeSqlite(database) });
    this.#sealer = sealer;
    this.#sum = sum;
    this.#version = version;
  }

  static async open(options: StoreOptions): Promise<StoredContents & { readonly store: Store }> {
    const { path, key, trustDomain } = options;
    const sealer = new RowSealer(key);
    try {
      refuseMissing(options);
      createIfMissing(path, (database) => fill(database, trustDomain, sealer));
      const contents = await inspect(path, (database) => load(database, path, trustDomain, sealer));
      failpoint('registry.inspected');
      refuseOlder(options, contents.version);
      const store = new Store(options, openForWriting(path), sealer, contents.sum, contents.version);
      await store.#checkUnchanged();
      failpoint('registry.open');
      return { store, ...contents };
    } catch (error) {
      throw databaseError(error, path);
    }
  }

  /** How many changes were ever committed. */
  get version(): number {
    return this.#version;
  }

  /** All of it durably, or nothing of it. */
  async commit(change: Change): Promise<void> {
    const sum = this.#sum.copy();
    const version = this.#version + 1;
    try {
      await this.#queries.transaction().execute(async (transaction) => {
        failpoint('registry.begun');
        const writer = new RowWriter(transaction, change, this.#sealer, sum);
        for (const { before, after } of change.people) await writer.person(before, after);
        for (const [at, { before, after }] of change.entries.entries()) {
          await writer.entry(before, after);
          if (at % rowsPerTurn === rowsPerTurn - 1) await nextTurn();
        }
        for (const step of change.relationships) await writer.relationship(step);
        for (const step of change.bundles) await writer.bundle(step);
        for (const step of change.audiences) await writer.audience(step);
        await writer.registry(registryRow(this.#options.trustDomain, version, sum, this.#sealer), this.#version);
        failpoint('registry.rows-written');
      });
    } catch (error) {
      const refusal = databaseError(error, this.#options.path);
      if (refusal instanceof IdentityError && refusal.code === 'resource-exhausted') await this.#giveSpaceBack();
      throw refusal;
    }
    [this.#sum, this.#version] = [sum, version];
  }

  /** What did not fit still lies in the write-ahead log, and others need the space: the ledger, and the next change. */
  async #giveSpaceBack(): Promise<void> {
    await sql`pragma wal_checkpoint(truncate)`.execute(this.#queries).catch(() => undefined);
  }

  /** Between reading and locking, another process may have had its turn. */
  async #checkUnchanged(): Promise<void> {
    const rows = await this.#queries.selectFrom('registry').select('seal').execute();
    const expected = registryRow(this.#options.trustDomain, this.#version, this.#sum, this.#sealer);
    if (rows[0]?.seal === expected.seal) return;
    await this.close();
    const message = `${this.#options.path} changed while it was opened: see that only one mayfly uses it, then repeat`;
    throw new IdentityError('failed-precondition', message);
  }

  /** Nothing may be under way. */
  close(): Promise<void> {
    return this.#queries.destroy();
  }
}

function fill(database: DatabaseSync, trustDomain: TrustDomain, sealer: RowSealer): void {
  const { one, trust_domain, version, seal } = registryRow(trustDomain, 0, new Sum(), sealer);
  database.prepare('insert into registry values (?, ?, ?, ?)').run(one, trust_domain, version, seal);
}

/** An empty one in its place would be refused too, and be in the way of the one that is put back. */
function refuseMissing({ path, leastVersion = 0 }: StoreOptions): void {
  if (leastVersion === 0 || existsSync(path) || existsSync(`${path}-wal`)) return;
  const message = `${path} is missing and was at change ${leastVersion}: restore the newest copy`;
  throw new IdentityError('data-loss', message, { reason: 'registry-version' });
}

function refuseOlder({ path, leastVersion = 0 }: StoreOptions, version: number): void {
  if (version >= leastVersion) return;
  const message = `${path} is at change ${version} and was at ${leastVersion}: an old copy was put back, or its end was cut`;
  throw new IdentityError('data-loss', `${message}; restore the newest copy`, { reason: 'registry-version' });
}
