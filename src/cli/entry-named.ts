import { IdentityError } from '../errors.ts';
import type { Entry } from '../gen/mayfly/admin/v1/admin.ts';
import type { Admin } from './admin.ts';
import { CommandError } from './failure.ts';

/** By its id, or by a SPIFFE ID that no other entry has. */
export async function entryNamed(admin: Admin, name: string): Promise<Entry> {
  if (!name.startsWith('spiffe://')) return admin.ask(admin.client.getEntry, { id: name });
  const filter = { spiffeId: name, owner: '', selectors: [], limit: 2 };
  const [entry, other] = await admin.collect(admin.client.listEntries, filter);
  if (entry === undefined) throw new IdentityError('not-found', `there is no entry for ${name}`);
  if (other === undefined) return entry;
  const next = 'Name one by its id; `mayfly entry list --spiffe-id` shows them.';
  throw new CommandError('failed-precondition', `several entries are for ${name}`, next);
}
