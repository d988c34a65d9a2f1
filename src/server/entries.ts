/** Registration entries over the admin API. */
import { IdentityError } from '../errors.ts';
import type * as wire from '../gen/mayfly/admin/v1/admin.ts';
import type { EntryFilter, Registry } from '../registry/registry.ts';
import type { EntryDraft } from '../spiffe/entry.ts';
import { type AdminHandlers, actor } from './admin.ts';
import { entryFromWire, entryToWire, fieldNames } from './wire.ts';

/** Entries in one call: what fits memory beside everything else. */
const bulkLimit = 1_000_000;

type EntryMethods = 'createEntries' | 'getEntry' | 'listEntries' | 'countEntries' | 'updateEntry' | 'deleteEntry';

export const entries = (registry: Registry): Pick<AdminHandlers, EntryMethods> => ({
  createEntries: async function* (requests, call) {
    const drafts: EntryDraft[] = [];
    for await (const { entries: received, done } of requests) {
      drafts.push(...received.map(entryFromWire));
      if (drafts.length > bulkLimit) {
        throw new IdentityError('resource-exhausted', `at most ${bulkLimit} entries can be created in one call`);
      }
      if (done) {
        const created = await registry.createEntries(drafts, actor(call));
        yield {
          received: drafts.length,
          done,
          entries: created.entries.map(entryToWire),
          warnings: [...created.warnings],
        };
        return;
      }
      yield { received: drafts.length, done: false, entries: [], warnings: [] };
    }
    throw new IdentityError('cancelled', 'the call ended before its last message; nothing was created');
  },

  getEntry: ({ id }) => entryToWire(registry.entry(id)),

  listEntries: async function* (request) {
    for (const entry of registry.list(filterOf(request))) yield entryToWire(entry);
  },

  countEntries: (request) => ({ count: registry.count(filterOf(request)) }),

  updateEntry: async ({ entry, fields }, call) => {
    if (entry === undefined) throw new IdentityError('invalid-argument', 'the entry to update is missing');
    const updated = await registry.updateEntry(entry.id, patchOf(entry, fields), actor(call));
    return { entry: entryToWire(updated.entry), warnings: [...updated.warnings] };
  },

  deleteEntry: async ({ id }, call) => entryToWire(await registry.deleteEntry(id, actor(call))),
});

function patchOf(entry: wire.Entry, fields: readonly string[]): Partial<EntryDraft> {
  const draft = entryFromWire(entry);
  if (fields.length === 0) throw new IdentityError('invalid-argument', 'name at least one field to update');
  return Object.fromEntries(
    fields.map((field) => {
      const name = fieldNames[field];
      if (name === undefined) throw new IdentityError('invalid-argument', `${field} is not a field of an entry`);
      return [name, draft[name]];
    }),
  );
}

const filterOf = (request: wire.ListEntriesRequest): EntryFilter => ({
  ...(request.spiffeId === '' ? {} : { spiffeId: request.spiffeId }),
  ...(request.owner === '' ? {} : { owner: request.owner }),
  ...(request.selectors.length === 0 ? {} : { selectors: request.selectors }),
  ...(request.limit === 0 ? {} : { limit: request.limit }),
});
