import type { DatabaseSync } from 'node:sqlite';
import { Kysely } from 'kysely';
import { IdentityError } from '../errors.ts';
import type { Entry } from '../spiffe/entry.ts';
import type { TrustDomain } from '../spiffe/id.ts';
import { nodeSqlite } from './dialect.ts';
import type { Person } from './person.ts';
import { entryContent, personContent, readEntry, readPerson } from './rows.ts';
import type { EntryRow, RegistryRow, Tables } from './schema.ts';
import { type RowSealer, type SealedContent, Sum } from './seal.ts';
import { Sharing } from './sharing.ts';

export interface StoredContents {
  readonly people: readonly Person[];
  readonly entries: readonly Entry[];
  readonly sum: Sum;
  readonly version: number;
}

/** So many rows are read at once, so that what is thrown away after reading stays small. */
const pageSize = 1000;

/** Everything in the registry, or a refusal that names what is not as it was written. Doubt about one row is doubt. */
export async function load(
  database: DatabaseSync,
  path: string,
  trustDomain: TrustDomain,
  sealer: RowSealer,
): Promise<StoredContents> {
  const queries = new Kysely<Tables>({ dialect: nodeSqlite(database) });
  const examined = new ExaminedRows(sealer);
  const people: Person[] = [];
  for (const row of await queries.selectFrom('people').selectAll().execute()) {
    if (examined.sound('people', row, personContent(row))) people.push(readPerson(row));
  }
  const entries: Entry[] = [];
  const sharing = new Sharing();
  for await (const row of entryRows(queries)) {
    if (examined.sound('entries', row, entryContent(row))) entries.push(readEntry(row, sharing));
  }
  examined.refuseBroken(path);
  const registry = await queries.selectFrom('registry').selectAll().executeTakeFirst();
  return { people, entries, sum: examined.sum, version: checkWhole(registry, examined.sum, trustDomain, path, sealer) };
}

async function* entryRows(queries: Kysely<Tables>): AsyncGenerator<EntryRow, void, undefined> {
  const query = queries.selectFrom('entries').selectAll().orderBy('id').limit(pageSize);
  for (let page = await query.execute(); page.length > 0; ) {
    yield* page;
    page = await query.where('id', '>', page.at(-1)?.id ?? '').execute();
  }
}

class ExaminedRows {
  readonly sum = new Sum();
  readonly #sealer: RowSealer;
  readonly #broken: string[] = [];

  constructor(sealer: RowSealer) {
    this.#sealer = sealer;
  }

  sound(table: string, row: { readonly id: string; readonly seal: string }, content: SealedContent): boolean {
    const { seal, weight } = this.#sealer.seal(table, content);
    if (row.seal === seal) this.sum.toggle(weight);
    else this.#broken.push(`${table}/${row.id}`);
    return row.seal === seal;
  }

  refuseBroken(path: string): void {
    if (this.#broken.length === 0) return;
    const more = this.#broken.length > 3 ? ` and ${this.#broken.length - 3} more` : '';
    const names = JSON.stringify(this.#broken.slice(0, 3)).slice(1, -1) + more;
    throw changed(path, `the seal of ${names} does not fit`);
  }
}

function checkWhole(
  row: RegistryRow | undefined,
  sum: Sum,
  trustDomain: TrustDomain,
  path: string,
  sealer: RowSealer,
): number {
  if (row === undefined) throw changed(path, 'its row "registry" is missing');
  const { seal } = sealer.seal('registry', [row.trust_domain, row.version, sum.toString()]);
  if (row.seal !== seal) throw changed(path, 'rows are missing, or are older than the others');
  if (row.trust_domain === trustDomain) return row.version;
  const whose = `${path} is the registry of ${row.trust_domain}, not of ${trustDomain}`;
  throw new IdentityError('failed-precondition', `${whose}: start with --trust-domain ${row.trust_domain}`);
}

const changed = (path: string, what: string): IdentityError =>
  new IdentityError(
    'data-loss',
    `${path} was changed by something else than mayfly, or its key was replaced (${what}): restore both from a good copy`,
    { reason: 'registry-seal' },
  );
