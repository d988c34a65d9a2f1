/** The admin API's messages and our own words for the same things, each way. */
import type * as wire from '../gen/mayfly/admin/v1/admin.ts';
import type { Person } from '../registry/registry.ts';
import type { Entry, EntryDraft } from '../spiffe/entry.ts';

export const personToWire = (person: Person, entries: number): wire.Person => ({
  id: person.id,
  name: person.name,
  email: person.email,
  enabled: person.enabled,
  createdAt: new Date(person.createdAt),
  entries,
});

export const entryToWire = (entry: Entry): wire.Entry => ({
  id: entry.id,
  spiffeId: entry.spiffeId,
  selectors: [...entry.selectors],
  owner: entry.owner,
  description: entry.description,
  x509SvidTtl: entry.x509SvidTtlSeconds,
  jwtSvidTtl: entry.jwtSvidTtlSeconds,
  dnsNames: [...entry.dnsNames],
  subject: entry.subject,
  hint: entry.hint,
  federatesWith: [...entry.federatesWith],
  audiences: [...entry.audiences],
  expiresAt: entry.expiresAt === undefined ? undefined : new Date(entry.expiresAt),
  revision: entry.revision,
  createdAt: new Date(entry.createdAt),
});

export const entryFromWire = (entry: wire.Entry): EntryDraft => ({
  spiffeId: entry.spiffeId,
  selectors: entry.selectors,
  owner: entry.owner,
  description: entry.description,
  x509SvidTtlSeconds: entry.x509SvidTtl,
  jwtSvidTtlSeconds: entry.jwtSvidTtl,
  dnsNames: entry.dnsNames,
  subject: entry.subject,
  hint: entry.hint,
  federatesWith: entry.federatesWith,
  audiences: entry.audiences,
  expiresAt: entry.expiresAt?.getTime(),
});

/** Fields of an entry that an update may name, as they are called on the wire. */
export const fieldNames: Readonly<Record<string, keyof EntryDraft>> = {
  spiffe_id: 'spiffeId',
  selectors: 'selectors',
  owner: 'owner',
  description: 'description',
  x509_svid_ttl: 'x509SvidTtlSeconds',
  jwt_svid_ttl: 'jwtSvidTtlSeconds',
  dns_names: 'dnsNames',
  subject: 'subject',
  hint: 'hint',
  federates_with: 'federatesWith',
  audiences: 'audiences',
  expires_at: 'expiresAt',
};
