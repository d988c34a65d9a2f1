import { DatabaseSync } from 'node:sqlite';
import { IdentityError } from '../errors.ts';

/** One registration entry. Lists are JSON arrays; `identity` makes the pair of SPIFFE ID and selectors unique. */
export interface EntryRow {
  readonly id: string;
  readonly spiffe_id: string;
  readonly selectors: string;
  readonly owner: string;
  readonly description: string;
  readonly x509_svid_ttl: number;
  readonly jwt_svid_ttl: number;
  readonly dns_names: string;
  readonly hint: string;
  readonly federates_with: string;
  readonly audiences: string;
  readonly expires_at: number | null;
  readonly revision: number;
  readonly created_at: number;
  readonly identity: string;
  readonly seal: string;
  /** Since step 3. */
  readonly subject?: string | undefined;
}

/** What operators say of an audience; `policy` is JSON. */
export interface AudienceRow {
  readonly name: string;
  readonly policy: string;
  readonly seal: string;
}

export interface PersonRow {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  readonly enabled: number;
  readonly created_at: number;
  readonly seal: string;
}

export interface RelationshipRow {
  readonly trust_domain: string;
  readonly endpoint_url: string;
  readonly profile: string;
  /** '' where there is none. */
  readonly endpoint_spiffe_id: string;
  readonly roots: string;
  readonly private_addresses: number;
  readonly created_at: number;
  readonly seal: string;
}

export interface ForeignBundleRow {
  readonly trust_domain: string;
  readonly document: string;
  readonly source: string;
  readonly stored_at: number;
  readonly seal: string;
}

/** The only row of `registry`: what all other rows together must add up to (seal.ts). */
export interface RegistryRow {
  readonly one: number;
  readonly trust_domain: string;
  readonly version: number;
  readonly seal: string;
}

export interface Tables {
  readonly people: PersonRow;
  readonly entries: EntryRow;
  readonly relationships: RelationshipRow;
  readonly foreign_bundles: ForeignBundleRow;
  readonly audiences: AudienceRow;
  readonly registry: RegistryRow;
}

/** 'mfly', so that another program's database is not taken for ours. */
const applicationId = 0x6d666c79;

/**
 * Step n makes user_version n + 1, and a published step never changes. A registry of an earlier step is upgraded once all
 * of its rows were verified; a column that a step adds is empty in the rows before it, and what is empty is not sealed.
 */
const migrations: readonly string[] = [
  `create table people (
    id text primary key not null,
    name text not null,
    email text not null,
    enabled integer not null check (enabled in (0, 1)),
    created_at integer not null,
    seal text not null
  ) strict, without rowid;
  create table entries (
    id text primary key not null,
    spiffe_id text not null,
    selectors text not null,
    owner text not null references people (id),
    description text not null,
    x509_svid_ttl integer not null,
    jwt_svid_ttl integer not null,
    dns_names text not null,
    hint text not null,
    federates_with text not null,
    audiences text not null,
    expires_at integer,
    revision integer not null check (revision > 0),
    created_at integer not null,
    identity text not null unique,
    seal text not null
  ) strict, without rowid;
  create table registry (
    one integer primary key not null check (one = 1),
    trust_domain text not null,
    version integer not null,
    seal text not null
  ) strict;`,
  `create table relationships (
    trust_domain text primary key not null,
    endpoint_url text not null,
    profile text not null check (profile in ('https_web', 'https_spiffe')),
    endpoint_spiffe_id text not null,
    roots text not null,
    private_addresses integer not null check (private_addresses in (0, 1)),
    created_at integer not null,
    seal text not null
  ) strict, without rowid;
  create table foreign_bundles (
    trust_domain text primary key not null,
    document text not null,
    source text not null check (source in ('endpoint', 'operator')),
    stored_at integer not null,
    seal text not null
  ) strict;`,
  `alter table entries add column subject text not null default '';
  create table audiences (
    name text primary key not null,
    policy text not null,
    seal text not null
  ) strict, without rowid;`,
];

const newest = migrations.length;

/** Brings a database to the newest schema, whole or not at all. */
export function migrate(database: DatabaseSync, to = newest): void {
  const steps = migrations.slice(userVersion(database), to);
  if (steps.length === 0) return;
  database.exec(
    `begin immediate; ${steps.join('\n')}
    pragma application_id = ${applicationId}; pragma user_version = ${to}; commit`,
  );
}

/** Refuses a file that is not a registry, is newer than this program, or whose tables are not what we made them. */
export function checkSchema(database: DatabaseSync, path: string): void {
  if (pragma(database, 'application_id') !== applicationId) {
    throw new IdentityError('data-loss', `${path} is not a mayfly registry; restore it from a good copy`);
  }
  const version = userVersion(database);
  if (version > newest) {
    const known = `its format is ${version}, this program knows ${newest}`;
    throw new IdentityError('failed-precondition', `${path} was written by a newer mayfly (${known}); start that one`);
  }
  if (version < 1 || describe(database) !== expectedSchema(version)) {
    throw new IdentityError('data-loss', `the tables of ${path} were altered; restore it from a good copy`);
  }
}

/** Does the file have the tables of that step yet? */
export const hasStep = (database: DatabaseSync, step: number): boolean => userVersion(database) >= step;

function expectedSchema(version: number): string {
  const model = new DatabaseSync(':memory:');
  try {
    migrate(model, version);
    return describe(model);
  } finally {
    model.close();
  }
}

const describe = (database: DatabaseSync): string =>
  JSON.stringify(database.prepare('select type, name, tbl_name, sql from sqlite_schema order by type, name').all());

const userVersion = (database: DatabaseSync): number => pragma(database, 'user_version');

function pragma(database: DatabaseSync, name: string): number {
  return Number(database.prepare(`pragma ${name}`).get()?.[name]);
}
