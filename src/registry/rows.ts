import { hash } from 'node:crypto';
import type { AudiencePolicy } from '../spiffe/audience.ts';
import type { Entry } from '../spiffe/entry.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/id.ts';
import type { Selector } from '../spiffe/selector.ts';
import { type BundleSource, type ForeignBundle, readForeignBundle } from './foreign-bundle.ts';
import type { Person } from './person.ts';
import type { EndpointProfile, Relationship } from './relationship.ts';
import type { AudienceRow, EntryRow, ForeignBundleRow, PersonRow, RegistryRow, RelationshipRow } from './schema.ts';
import type { RowSealer, SealedContent, Sum } from './seal.ts';
import type { Sharing } from './sharing.ts';

/** A row as it is stored, and what it adds to the sum of all rows. */
export interface Sealed<Row> {
  readonly row: Row;
  readonly weight: Buffer;
}

type Unsealed<Row> = Omit<Row, 'seal'>;

export const entryContent = (row: Unsealed<EntryRow>): SealedContent => [
  row.id,
  row.spiffe_id,
  row.selectors,
  row.owner,
  row.description,
  row.x509_svid_ttl,
  row.jwt_svid_ttl,
  row.dns_names,
  row.hint,
  row.federates_with,
  row.audiences,
  row.expires_at,
  row.revision,
  row.created_at,
  row.identity,
  // Rows that were sealed before there was one have the seal that they had.
  ...(row.subject ? [row.subject] : []),
];

export const personContent = (row: Unsealed<PersonRow>): SealedContent => [
  row.id,
  row.name,
  row.email,
  row.enabled,
  row.created_at,
];

export const relationshipContent = (row: Unsealed<RelationshipRow>): SealedContent => [
  row.trust_domain,
  row.endpoint_url,
  row.profile,
  row.endpoint_spiffe_id,
  row.roots,
  row.private_addresses,
  row.created_at,
];

export const audienceContent = (row: Unsealed<AudienceRow>): SealedContent => [row.name, row.policy];

export const foreignBundleContent = (row: Unsealed<ForeignBundleRow>): SealedContent => [
  row.trust_domain,
  row.document,
  row.source,
  row.stored_at,
];

export function entryRow(entry: Entry, sealer: RowSealer): Sealed<EntryRow> {
  const row = {
    id: entry.id,
    spiffe_id: entry.spiffeId,
    selectors: writeList(entry.selectors),
    owner: entry.owner,
    description: entry.description,
    x509_svid_ttl: entry.x509SvidTtlSeconds,
    jwt_svid_ttl: entry.jwtSvidTtlSeconds,
    dns_names: writeList(entry.dnsNames),
    hint: entry.hint,
    federates_with: writeList(entry.federatesWith),
    audiences: writeList(entry.audiences),
    expires_at: entry.expiresAt ?? null,
    revision: entry.revision,
    created_at: entry.createdAt,
    identity: identityOf(entry),
    subject: entry.subject,
  };
  const { seal, weight } = sealer.seal('entries', entryContent(row));
  return { row: { ...row, seal }, weight };
}

export function personRow(person: Person, sealer: RowSealer): Sealed<PersonRow> {
  const { id, name, email, enabled, createdAt } = person;
  const row = { id, name, email, enabled: enabled ? 1 : 0, created_at: createdAt };
  const { seal, weight } = sealer.seal('people', personContent(row));
  return { row: { ...row, seal }, weight };
}

export function relationshipRow(relationship: Relationship, sealer: RowSealer): Sealed<RelationshipRow> {
  const row = {
    trust_domain: relationship.trustDomain,
    endpoint_url: relationship.endpointUrl,
    profile: relationship.profile,
    endpoint_spiffe_id: relationship.endpointSpiffeId ?? '',
    roots: relationship.roots,
    private_addresses: relationship.privateAddresses ? 1 : 0,
    created_at: relationship.createdAt,
  };
  const { seal, weight } = sealer.seal('relationships', relationshipContent(row));
  return { row: { ...row, seal }, weight };
}

export function foreignBundleRow(foreign: ForeignBundle, sealer: RowSealer): Sealed<ForeignBundleRow> {
  const { bundle, document, source, storedAt } = foreign;
  const row = { trust_domain: bundle.trustDomain, document, source, stored_at: storedAt };
  const { seal, weight } = sealer.seal('foreign_bundles', foreignBundleContent(row));
  return { row: { ...row, seal }, weight };
}

export function audienceRow(policy: AudiencePolicy, sealer: RowSealer): Sealed<AudienceRow> {
  const { name, ...fields } = policy;
  const row = { name, policy: JSON.stringify(fields) };
  const { seal, weight } = sealer.seal('audiences', audienceContent(row));
  return { row: { ...row, seal }, weight };
}

export function registryRow(trustDomain: TrustDomain, version: number, sum: Sum, sealer: RowSealer): RegistryRow {
  const { seal } = sealer.seal('registry', [trustDomain, version, sum.toString()]);
  return { one: 1, trust_domain: trustDomain, version, seal };
}

/** Rows come from `entryRow`, which had checked fields: with the seal intact, they are still what was checked. */
export function readEntry(row: EntryRow, sharing: Sharing): Entry {
  return {
    id: row.id,
    spiffeId: row.spiffe_id as SpiffeId,
    selectors: (JSON.parse(row.selectors) as string[]).map((selector) => sharing.text(selector) as Selector),
    owner: sharing.text(row.owner),
    description: sharing.text(row.description),
    x509SvidTtlSeconds: row.x509_svid_ttl,
    jwtSvidTtlSeconds: row.jwt_svid_ttl,
    dnsNames: sharing.list(row.dns_names),
    subject: sharing.text(row.subject ?? ''),
    hint: sharing.text(row.hint),
    federatesWith: sharing.list(row.federates_with) as readonly TrustDomain[],
    audiences: sharing.list(row.audiences),
    expiresAt: row.expires_at ?? undefined,
    revision: row.revision,
    createdAt: row.created_at,
  };
}

export const readPerson = ({ id, name, email, enabled, created_at }: PersonRow): Person => ({
  id,
  name,
  email,
  enabled: enabled === 1,
  createdAt: created_at,
});

export const readRelationship = (row: RelationshipRow): Relationship => ({
  trustDomain: row.trust_domain as TrustDomain,
  endpointUrl: row.endpoint_url,
  profile: row.profile as EndpointProfile,
  endpointSpiffeId: row.endpoint_spiffe_id === '' ? undefined : (row.endpoint_spiffe_id as SpiffeId),
  roots: row.roots,
  privateAddresses: row.private_addresses === 1,
  createdAt: row.created_at,
});

export const readForeignBundleRow = ({ trust_domain, document, source, stored_at }: ForeignBundleRow): ForeignBundle =>
  readForeignBundle(trust_domain as TrustDomain, document, { source: source as BundleSource, storedAt: stored_at });

/** JSON leaves out what is undefined. */
export const readAudience = ({ name, policy }: AudienceRow): AudiencePolicy => {
  const fields = JSON.parse(policy) as Omit<AudiencePolicy, 'name'>;
  return { ...fields, name, algorithm: fields.algorithm, claims: fields.claims };
};

const writeList = (list: readonly string[]): string => (list.length === 0 ? '[]' : JSON.stringify(list));

/** Selectors are sorted and without repeats. As in SPIRE, nothing else of an entry makes it another one. */
const identityOf = ({ spiffeId, selectors }: Entry): string =>
  hash('sha256', JSON.stringify([spiffeId, ...selectors]), 'base64url');
