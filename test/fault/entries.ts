/** Entries as the operator, the history and the wire have them. */
import type { Entry } from '../../src/gen/mayfly/admin/v1/admin.ts';
import type { EntryState, Order } from './history.ts';

export const isOf = (entry: EntryState, uid: number): boolean => entry.selectors.includes(`unix:uid:${uid}`);

/** What an order shapes carries its number, so that it can be told from what others shaped. */
export function labelled(order: Order, op: number): Order {
  if (order.do === 'create-entry') return { ...order, entry: { ...order.entry, description: `op ${op}` } };
  if (order.do === 'update-entry') return { ...order, description: `op ${op}` };
  return order;
}

export const blank: EntryState = {
  id: '',
  spiffeId: '',
  selectors: [],
  owner: '',
  description: '',
  hint: '',
  audiences: [],
  x509SvidTtl: 0,
  jwtSvidTtl: 0,
  expiresAt: 0,
  revision: 0,
};

export const wire = (entry: EntryState): Entry => ({
  ...entry,
  selectors: [...entry.selectors],
  audiences: [...entry.audiences],
  dnsNames: [],
  subject: '',
  federatesWith: [],
  expiresAt: entry.expiresAt === 0 ? undefined : new Date(entry.expiresAt),
  createdAt: undefined,
});

export const stateOf = (entry: Entry): EntryState => ({
  id: entry.id,
  spiffeId: entry.spiffeId,
  selectors: entry.selectors,
  owner: entry.owner,
  description: entry.description,
  hint: entry.hint,
  audiences: entry.audiences,
  x509SvidTtl: entry.x509SvidTtl,
  jwtSvidTtl: entry.jwtSvidTtl,
  expiresAt: entry.expiresAt?.getTime() ?? 0,
  revision: Number(entry.revision),
});
