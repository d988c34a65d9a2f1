import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entryWith } from '../../test/fakes/entry.ts';
import { type Entry, matches } from '../spiffe/entry.ts';
import type { Selector } from '../spiffe/selector.ts';
import { Entitlements } from './entitlements.ts';

const set = (...selectors: string[]): ReadonlySet<Selector> => new Set(selectors as Selector[]);
const ids = (entries: readonly Entry[]): string[] => entries.map(({ id }) => id).sort();

describe('entitlements', () => {
  it('finds an entry when the caller has all its selectors, and more', () => {
    const entitlements = new Entitlements();
    entitlements.add(entryWith({ id: 'web', selectors: ['unix:gid:7', 'unix:uid:1000'] }));
    expect(ids(entitlements.matching(set('unix:uid:1000', 'unix:gid:7', 'unix:path:/web')))).toEqual(['web']);
    expect(ids(entitlements.matching(set('unix:uid:1000')))).toEqual([]);
    expect(ids(entitlements.matching(set()))).toEqual([]);
  });

  it('refuses an entry without selectors, which would be everybody’s', () => {
    expect(() => new Entitlements().add(entryWith({ selectors: [] }))).toThrow(TypeError);
  });

  it('finds what a walk over all entries finds, after any additions and removals', () => {
    const selector = fc.constantFrom('a:1', 'a:2', 'b:1', 'b:2', 'b:3', 'c:1');
    const several = fc.uniqueArray(selector, { minLength: 1 }).map((all) => all.toSorted());
    const steps = fc.array(fc.oneof(several, fc.nat()), { maxLength: 60 });
    fc.assert(
      fc.property(steps, fc.uniqueArray(selector), (all, caller) => {
        const entitlements = new Entitlements();
        const entries: Entry[] = [];
        for (const [at, step] of all.entries()) {
          if (typeof step === 'number') for (const gone of entries.splice(step % 50, 1)) entitlements.remove(gone);
          else entries.push(entryWith({ id: `${at}`, selectors: step }));
          if (typeof step !== 'number') entitlements.add(entries.at(-1) as Entry);
        }
        const has = set(...caller);
        expect(ids(entitlements.matching(has))).toEqual(ids(entries.filter((entry) => matches(entry, has))));
      }),
    );
  });

  it.each([
    ['all share one selector', (at: number) => ['unix:uid:1000', `unix:path:/${at}`].sort()],
    ['all share their first selector', (at: number) => ['unix:gid:1', `unix:uid:${at}`]],
    ['all need the same two, of which the caller has one', () => ['unix:gid:2', 'unix:uid:1000']],
  ])('looks at few entries when %s', (_, selectorsOf) => {
    const entitlements = new Entitlements();
    for (let at = 0; at < 20_000; at++) entitlements.add(entryWith({ id: `${at}`, selectors: selectorsOf(at) }));
    const caller = set('unix:gid:1', 'unix:path:/7', 'unix:uid:1000');
    const asked = countQuestions(caller);
    entitlements.matching(asked.selectors);
    expect(asked.count()).toBeLessThan(20);
  });
});

/** Each look at an entry asks the caller's set at least once. */
function countQuestions(selectors: ReadonlySet<Selector>): { selectors: ReadonlySet<Selector>; count: () => number } {
  let count = 0;
  const counting = new Set(selectors);
  counting.has = (selector) => {
    count++;
    return selectors.has(selector);
  };
  return { selectors: counting, count: () => count };
}
