import type { Entry } from '../../src/spiffe/entry.ts';
import type { SpiffeId } from '../../src/spiffe/id.ts';
import type { Selector } from '../../src/spiffe/selector.ts';

/** An entry for a test that cares about a few of its fields. */
export const entryWith = (fields: { readonly id?: string; readonly selectors: readonly string[] }): Entry => ({
  id: fields.id ?? 'entry',
  spiffeId: 'spiffe://example.org/web' as SpiffeId,
  selectors: fields.selectors as readonly Selector[],
  owner: 'ada',
  description: '',
  x509SvidTtlSeconds: 0,
  jwtSvidTtlSeconds: 0,
  dnsNames: [],
  subject: '',
  hint: '',
  federatesWith: [],
  audiences: [],
  expiresAt: undefined,
  revision: 1,
  createdAt: 0,
});
