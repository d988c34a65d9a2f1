import type { DatabaseSync } from 'node:sqlite';
import { Kysely } from 'kysely';
import { IdentityError } from '../errors.ts';
import type { AudiencePolicy } from '../spiffe/audience.ts';
import type { Entry } from '../spiffe/entry.ts';
import type { TrustDomain } from '../spiffe/id.ts';
import { nodeSqlite } from './dialect.ts';
import type { ForeignBundle } from './foreign-bundle.ts';
import type { Person } from './person.ts';
import type { Relationship } from './relationship.ts';
import {
  audienceContent,
  entryContent,
  foreignBundleContent,
  personContent,
  readAudience,
  readEntry,
  readForeignBundleRow,
  readPerson,
  readRelationship,
  relationshipContent,
} from './rows.ts';
import { type EntryRow, hasStep, type RegistryRow, type Tables } from './schema.ts';
import { type RowSealer, type SealedContent, Sum } from './seal.ts';
import { Sharing } from './sharing.ts';

export interface StoredContents {
  readonly people: readonly Person[];
  readonly entries: readonly Entry[];
  readonly relationships: readonly Relationship[];
  readonly bundles: readonly ForeignBundle[];
  readonly audiences: readonly AudiencePolicy[];
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
    if (examined.sound('people', row.id, row.seal, personContent(row))) people.push(readPerson(row));
  }
  const entries: Entry[] = [];
  const sharing = new Sharing();
  for await (const row of entryRows(queries)) {
    if (examined.sound('entries', row.id, row.seal, entryContent(row))) entries.push(readEntry(row, sharing));
  }
  const foreign = hasStep(database, 2) ? await loadForeign(queries, examined) : { relationships: [], bundles: [] };
  const audiences = hasStep(database, 3) ? await loadAudiences(queries, examined) : [];
  examined.refuseBroken(path);
  const registry = await queries.selectFrom('registry').selectAll().executeTakeFirst();
  const version = checkWhole(registry, examined.sum, trustDomain, path, sealer);
  return { people, entries, ...foreign, audiences, sum: examined.sum, version };
}

/** Since step 2. */
async function loadForeign(
  queries: Kysely<Tables>,
  examined: ExaminedRows,
): Promise<Pick<StoredContents, 'relationships' | 'bundles'>> {
  const relationships = (await queries.selectFrom('relationships').selectAll().execute()).filter((row) =>
    examined.sound('relationships', row.trust_domain, row.seal, relationshipContent(row)),
  );
  const bundles = (await queries.selectFrom('foreign_bundles').selectAll().execute()).filter((row) =>
    examined.sound('foreign_bundles', row.trust_domain, row.seal, foreignBundleContent(row)),
  );
  return { relationships: relationships.map(readRelationship), bundles: bundles.map(readForeignBundleRow) };
}

/** Since step 3. */
async function loadAudiences(queries: Kysely<Tables>, examined: ExaminedRows): Promise<AudiencePolicy[]> {
  const rows = await queries.selectFrom('audiences').selectAll().execute();
  return rows.filter((row) => examined.sound('audiences', row.name, row.seal, audienceContent(row))).map(readAudience);
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

  sound(table: string, id: string, found: string, content: SealedContent): boolean {
    const { seal, weight } = this.#sealer.seal(table, content);
    if (found === seal) this.sum.toggle(weight);
    else this.#broken.push(`${table}/${id}`);
    return found === seal;
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
