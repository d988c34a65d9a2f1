/** The people answerable for entries, over the admin API. */
import type { Registry } from '../registry/registry.ts';
import { type AdminHandlers, actor } from './admin.ts';
import { personToWire } from './wire.ts';

type PersonMethods = 'addPerson' | 'listPeople' | 'getPerson' | 'setPersonEnabled';

export const people = (registry: Registry): Pick<AdminHandlers, PersonMethods> => ({
  addPerson: async ({ id, name, email }, call) =>
    personToWire(await registry.addPerson({ id, name, email }, actor(call)), 0),
  listPeople: () => ({ people: registry.people().map((person) => personToWire(person, owned(registry, person.id))) }),
  getPerson: ({ id }) => personToWire(registry.person(id), owned(registry, id)),
  setPersonEnabled: async ({ id, enabled }, call) =>
    personToWire(await registry.setPersonEnabled(id, enabled, actor(call)), owned(registry, id)),
});

const owned = (registry: Registry, owner: string): number => registry.count({ owner });
