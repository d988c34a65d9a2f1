import { describe, expect, it } from 'vitest';
import { entryWith } from '../../test/fakes/entry.ts';
import type { Selector } from '../spiffe/selector.ts';
import { type Hindrance, nearMisses } from './near.ts';

const caller = new Set(['unix:uid:1000', 'unix:gid:7', 'unix:path:/web'] as Selector[]);
const nothing: Hindrance = () => undefined;
const entry = (id: string, ...selectors: string[]) => entryWith({ id, selectors });

describe('the nearest entries that a caller is not owed', () => {
  it('come with the fewest missing selectors first, and say which is missing', () => {
    const entries = [
      entry('two-missing', 'unix:gid:8', 'unix:path:/db', 'unix:uid:1000'),
      entry('one-missing', 'unix:gid:8', 'unix:uid:1000'),
    ];
    expect(nearMisses(entries, caller, 10, nothing)).toMatchObject([
      { entry: { id: 'one-missing' }, reason: 'missing-selector', missingSelector: 'unix:gid:8', missing: 1 },
      { entry: { id: 'two-missing' }, reason: 'missing-selector', missingSelector: 'unix:gid:8', missing: 2 },
    ]);
  });

  it('do not include what is owed, nor what has nothing in common with the caller', () => {
    const entries = [entry('owed', 'unix:uid:1000'), entry('stranger', 'unix:uid:5')];
    expect(nearMisses(entries, caller, 10, nothing)).toEqual([]);
  });

  it.each(['expired', 'owner-disabled'] as const)('begin with those that match and are %s', (reason) => {
    const entries = [entry('one-missing', 'unix:gid:8', 'unix:uid:1000'), entry('matches', 'unix:uid:1000')];
    const near = nearMisses(entries, caller, 10, () => reason);
    expect(near).toMatchObject([
      { entry: { id: 'matches' }, reason, missingSelector: undefined, missing: 0 },
      { entry: { id: 'one-missing' }, reason: 'missing-selector', missing: 1 },
    ]);
  });

  it('are no more than asked for, in the order of age among equals', () => {
    const entries = ['a', 'b', 'c', 'd'].map((id) => entry(id, 'unix:gid:8', 'unix:uid:1000'));
    expect(nearMisses(entries, caller, 2, nothing).map((miss) => miss.entry.id)).toEqual(['a', 'b']);
    expect(nearMisses(entries, caller, 0, nothing)).toEqual([]);
  });
});
