import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Roster } from './roster.ts';

it('holds whoever was added and not deleted, whatever the order', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ name: fc.nat(9), add: fc.boolean() })), (steps) => {
      const roster = new Roster<{ name: number; place: number }>();
      const members = Array.from({ length: 10 }, (_, name) => ({ name, place: 0 }));
      const model = new Set<number>();
      for (const { name, add } of steps) {
        const member = members[name] as (typeof members)[number];
        if (add && !model.has(name)) roster.add(member);
        if (!add) roster.delete(member);
        if (add) model.add(name);
        else model.delete(name);
      }
      expect(roster.size).toBe(model.size);
      expect(new Set(roster.all().map(({ name }) => name))).toEqual(model);
    }),
  );
});
