import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../../test/fakes/clock.ts';
import { systemRandom } from '../runtime/random.ts';
import type { EntryDraft } from '../spiffe/entry.ts';
import { TrustDomain } from '../spiffe/id.ts';
import type { Selector } from '../spiffe/selector.ts';
import { openRegistry, type Registry, type RegistryChange, type RegistryOptions } from './registry.ts';

const trustDomain = TrustDomain.parse('example.org');
const set = (...selectors: string[]): ReadonlySet<Selector> => new Set(selectors as Selector[]);
const uid1000 = set('unix:uid:1000', 'unix:path:/web');
const draft = (name: string, more: Partial<EntryDraft> = {}): EntryDraft => ({
  spiffeId: `spiffe://example.org/${name}`,
  selectors: ['unix:uid:1000'],
  owner: 'ada',
  ...more,
});
const refused = (code: string, message: RegExp): unknown =>
  expect.objectContaining({ name: 'IdentityError', code, message: expect.stringMatching(message) });

const nothing = { entries: [], people: [], relationships: [], bundles: [], audiences: [], added: false, by: undefined };

let directory: string;
let clock: FakeClock;
let registry: Registry;
const options = (): RegistryOptions => ({
  path: join(directory, 'registry.db'),
  key: Buffer.alloc(32, 1),
  clock,
  random: systemRandom,
  trustDomain,
});
const create = async (...drafts: EntryDraft[]) => (await registry.createEntries(drafts)).entries;
const entitled = (selectors = uid1000): string[] => registry.entitled(selectors, clock.now()).map((e) => e.spiffeId);
const reopen = async (): Promise<void> => {
  await registry.close();
  registry = await openRegistry(options());
};

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'registry-'));
  clock = new FakeClock();
  registry = await openRegistry(options());
  await registry.addPerson({ id: 'ada', name: 'Ada Byron' });
});

afterEach(async () => {
  await registry.close();
  rmSync(directory, { recursive: true });
});

describe('people', () => {
  it('are kept, enabled, as they were added', async () => {
    await registry.addPerson({ id: 'bob', name: 'Bob', email: 'bob@example.org' });
    await reopen();
    const createdAt = clock.now();
    expect(registry.people()).toEqual([
      { id: 'ada', name: 'Ada Byron', email: '', enabled: true, createdAt },
      { id: 'bob', name: 'Bob', email: 'bob@example.org', enabled: true, createdAt },
    ]);
  });

  it('are there once', async () => {
    await expect(registry.addPerson({ id: 'ada', name: 'Another' })).rejects.toThrow(
      refused('already-exists', /mayfly person show ada/),
    );
  });

  it('are named in a refusal when they are unknown', async () => {
    expect(() => registry.person('eve')).toThrow(refused('not-found', /mayfly person add eve/));
    await expect(registry.setPersonEnabled('eve', false)).rejects.toThrow(refused('not-found', /eve/));
  });

  it('end everything they own at once when disabled, also after a restart, and bring it back when enabled', async () => {
    await create(draft('web'));
    await registry.setPersonEnabled('ada', false);
    expect(entitled()).toEqual([]);
    await reopen();
    expect(entitled()).toEqual([]);
    await registry.setPersonEnabled('ada', true);
    expect(entitled()).toEqual(['spiffe://example.org/web']);
  });
});

describe('creating entries', () => {
  it('gives them random ids, revision 1 and the moment, and finds them again after a restart', async () => {
    const full = draft('web', {
      description: 'the shop · 店',
      x509SvidTtlSeconds: 60,
      jwtSvidTtlSeconds: 30,
      dnsNames: ['web.example.org'],
      hint: 'external',
      federatesWith: ['other.example'],
      audiences: ['aws', 'bench-*'],
      expiresAt: clock.now() + 1000,
    });
    const [entry] = await create(full);
    expect(entry).toMatchObject({ ...full, revision: 1, createdAt: clock.now() });
    expect(entry?.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    await reopen();
    expect(registry.list()).toEqual([entry]);
  });

  it.each([
    ['an owner nobody knows', draft('web', { owner: 'eve' }), 'not-found', /mayfly person add eve/],
    ['a disabled owner', draft('web', { owner: 'bob' }), 'failed-precondition', /mayfly person enable bob/],
    [
      'ID-30 an ID of another trust domain',
      draft('web', { spiffeId: 'spiffe://other/a' }),
      'invalid-argument',
      /spiffe_id/,
    ],
    ['no selectors', draft('web', { selectors: [] }), 'invalid-argument', /selectors/],
  ] as const)('is refused with %s', async (_, bad, code, message) => {
    await registry.addPerson({ id: 'bob', name: 'Bob' });
    await registry.setPersonEnabled('bob', false);
    await expect(create(bad)).rejects.toThrow(refused(code, message));
    expect(registry.count()).toBe(0);
  });

  it('creates all of a list or none, and says which was refused', async () => {
    const drafts = [draft('a'), draft('b'), draft('c', { hint: 'x'.repeat(1025) })];
    await expect(create(...drafts)).rejects.toThrow(refused('invalid-argument', /^entry 3: hint/));
    expect(registry.count()).toBe(0);
    await reopen();
    expect(registry.count()).toBe(0);
  });

  it('refuses the same SPIFFE ID with the same selectors, in whatever order, and names what exists', async () => {
    const [first] = await create(draft('web', { selectors: ['unix:uid:1', 'unix:gid:1'] }));
    const twin = draft('web', { selectors: ['unix:gid:1', 'unix:uid:1', 'unix:gid:1'], hint: 'other' });
    await expect(create(draft('a'), twin)).rejects.toThrow(
      refused('already-exists', new RegExp(`mayfly entry update ${first?.id}`)),
    );
    expect(registry.list()).toEqual([first]);
    await create(draft('web', { selectors: ['unix:uid:1'] }), draft('db', { selectors: ['unix:uid:1', 'unix:gid:1'] }));
    expect(registry.count()).toBe(3);
  });

  it('refuses a list that repeats itself, and says where', async () => {
    const drafts = [draft('a'), draft('b'), draft('c'), draft('b')];
    await expect(create(...drafts)).rejects.toThrow(refused('already-exists', /^entry 4 repeats entry 2:/));
    expect(registry.count()).toBe(0);
  });

  it('warns about entries that rest on the program alone', async () => {
    const { entries, warnings } = await registry.createEntries([
      draft('a'),
      draft('b', { selectors: ['unix:path:/web'] }),
    ]);
    expect(warnings).toEqual([{ entryId: entries[1]?.id, text: expect.stringContaining('unix:path') }]);
  });

  it('may be asked for by many at once: each gets an answer, and none is lost', async () => {
    await Promise.all(Array.from({ length: 20 }, (_, at) => create(draft(`web-${at}`))));
    await reopen();
    expect(registry.count()).toBe(20);
  });
});

describe('changing entries', () => {
  it('replaces the fields that are named and counts the revision up', async () => {
    const [before] = await create(draft('web', { hint: 'old', description: 'stays' }));
    clock.jump(1000);
    const { entry } = await registry.updateEntry(before?.id ?? '', { hint: 'new', selectors: ['unix:uid:2'] });
    expect(entry).toEqual({ ...before, hint: 'new', selectors: ['unix:uid:2'], revision: 2 });
    expect(entitled()).toEqual([]);
    expect(entitled(set('unix:uid:2'))).toEqual(['spiffe://example.org/web']);
    await reopen();
    expect(registry.list()).toEqual([entry]);
  });

  it('takes away an end by naming it without a value', async () => {
    const [before] = await create(draft('web', { expiresAt: clock.now() + 1000 }));
    const { entry } = await registry.updateEntry(before?.id ?? '', { expiresAt: undefined });
    expect(entry.expiresAt).toBeUndefined();
    expect(registry.nextExpiry(clock.now())).toBeUndefined();
  });

  it('is refused when the result would break a rule, be another’s twin, or have an owner who may own nothing', async () => {
    const [web, db] = await create(draft('web'), draft('db'));
    const update = (patch: Partial<EntryDraft>) => registry.updateEntry(web?.id ?? '', patch);
    await expect(update({ hint: 'x'.repeat(1025) })).rejects.toThrow(refused('invalid-argument', /hint/));
    await expect(update({ spiffeId: 'spiffe://example.org/db' })).rejects.toThrow(
      refused('already-exists', new RegExp(db?.id ?? '')),
    );
    await expect(update({ owner: 'eve' })).rejects.toThrow(refused('not-found', /eve/));
    expect(registry.list()).toEqual([web, db]);
  });

  it('deletes an entry once', async () => {
    const [entry] = await create(draft('web'));
    await expect(registry.deleteEntry(entry?.id ?? '')).resolves.toEqual(entry);
    expect(entitled()).toEqual([]);
    await expect(registry.deleteEntry(entry?.id ?? '')).rejects.toThrow(refused('not-found', /mayfly entry list/));
    await reopen();
    expect(registry.count()).toBe(0);
    await create(draft('web'));
  });

  it('tells listeners after the commit and before the answer, until they leave', async () => {
    const heard: RegistryChange[] = [];
    const listener = registry.onChange((change) => {
      heard.push(change);
      expect(registry.count()).toBe(1);
    });
    const [before] = await create(draft('web'));
    const { entry: after } = await registry.updateEntry(before?.id ?? '', { hint: 'x' }, { actorUid: 7 });
    await registry.setPersonEnabled('ada', false);
    await registry.setPersonEnabled('ada', false);
    expect(heard).toEqual([
      { ...nothing, entries: [{ before: undefined, after: before }] },
      { ...nothing, entries: [{ before, after }], by: { actorUid: 7 } },
      { ...nothing, people: ['ada'] },
    ]);
    listener[Symbol.dispose]();
    await registry.deleteEntry(after.id);
    expect(heard).toHaveLength(3);
  });
});

describe('what is owed', () => {
  it('ends when the entry expires', async () => {
    await create(draft('web', { expiresAt: clock.now() + 1000 }));
    expect(registry.nextExpiry(clock.now())).toBe(clock.now() + 1000);
    clock.jump(999);
    expect(entitled()).toHaveLength(1);
    clock.jump(1);
    expect(entitled()).toEqual([]);
    expect(registry.nextExpiry(clock.now())).toBeUndefined();
    expect(registry.near(uid1000, 5)).toMatchObject([{ reason: 'expired', missing: 0 }]);
  });

  it('WA-31 comes in the order in which it was registered, also after a change and a restart', async () => {
    await create(...['d', 'b', 'a'].map((name) => draft(name)));
    clock.jump(1);
    const [last] = await create(draft('0'));
    const order = ['d', 'b', 'a', '0'].map((name) => `spiffe://example.org/${name}`);
    expect(entitled()).toEqual(order);
    await registry.updateEntry(registry.list()[0]?.id ?? '', { hint: 'x' });
    await reopen();
    expect(entitled()).toEqual(order);
    expect(registry.list({ limit: 2 }).map((entry) => entry.spiffeId)).toEqual(order.slice(0, 2));
    expect(registry.list().at(-1)).toEqual(last);
  });

  it('says why not, when the owner is disabled or a selector is missing', async () => {
    await create(draft('web'), draft('db', { selectors: ['unix:gid:9', 'unix:uid:1000'] }));
    await registry.setPersonEnabled('ada', false);
    expect(registry.near(uid1000, 5)).toMatchObject([
      { entry: { spiffeId: 'spiffe://example.org/web' }, reason: 'owner-disabled' },
      { entry: { spiffeId: 'spiffe://example.org/db' }, reason: 'missing-selector', missingSelector: 'unix:gid:9' },
    ]);
  });
});

describe('questions about entries', () => {
  it('lists and counts by SPIFFE ID, owner and selectors together', async () => {
    await registry.addPerson({ id: 'bob', name: 'Bob' });
    await create(draft('a'), draft('b', { owner: 'bob', selectors: ['unix:uid:1', 'unix:gid:1'] }), draft('c'));
    const names = (filter: object) => registry.list(filter).map((entry) => entry.spiffeId.slice(-1));
    expect(names({})).toEqual(['a', 'b', 'c']);
    expect(names({ owner: 'ada' })).toEqual(['a', 'c']);
    expect(names({ owner: 'ada', limit: 1 })).toEqual(['a']);
    expect(names({ spiffeId: 'spiffe://example.org/b' })).toEqual(['b']);
    expect(names({ selectors: ['unix:gid:1'] })).toEqual(['b']);
    expect(names({ selectors: ['unix:gid:1'], owner: 'ada' })).toEqual([]);
    expect([{}, { owner: 'ada' }, { selectors: ['unix:uid:1'] }].map((filter) => registry.count(filter))).toEqual([
      3, 2, 1,
    ]);
  });

  it('knows which kinds of selectors are in use', async () => {
    const [, sha] = await create(draft('a'), draft('b', { selectors: ['unix:sha256:00', 'unix:uid:1'] }));
    expect(['unix:', 'unix:sha256:', 'unix:uid:', 'docker:'].map((prefix) => registry.wants(prefix))).toEqual([
      true,
      true,
      true,
      false,
    ]);
    await registry.deleteEntry(sha?.id ?? '');
    expect(registry.wants('unix:sha256:')).toBe(false);
    expect(() => registry.wants('unix:sha')).toThrow(TypeError);
  });

  it('names an entry that does not exist', () => {
    expect(() => registry.entry('nope')).toThrow(refused('not-found', /nope/));
  });
});

describe('opening and closing', () => {
  it('counts changes, and refuses a file that is older than what is remembered', async () => {
    expect(registry.version).toBe(1);
    await create(draft('a'), draft('b'));
    expect(registry.version).toBe(2);
    await registry.close();
    await expect(openRegistry({ ...options(), leastVersion: 3 })).rejects.toThrow(refused('data-loss', /old copy/));
    registry = await openRegistry({ ...options(), leastVersion: 2 });
  });

  it('begins no other in the place of one that is missing', async () => {
    await registry.close();
    const { path } = options();
    renameSync(path, `${path}.away`);
    const gone = openRegistry({ ...options(), leastVersion: 1 });
    await expect(gone).rejects.toThrow(refused('data-loss', /is missing and was at change 1/));
    expect(existsSync(path)).toBe(false);
    renameSync(`${path}.away`, path);
    registry = await openRegistry({ ...options(), leastVersion: 1 });
  });

  it('refuses the registry of another trust domain, and says whose it is', async () => {
    await registry.close();
    const other = openRegistry({ ...options(), trustDomain: TrustDomain.parse('other.example') });
    await expect(other).rejects.toThrow(refused('failed-precondition', /--trust-domain example\.org/));
    registry = await openRegistry(options());
  });

  it('refuses another key, under which nothing can be believed', async () => {
    await registry.close();
    const other = openRegistry({ ...options(), key: Buffer.alloc(32, 2) });
    await expect(other).rejects.toThrow(refused('data-loss', /people\/ada/));
    registry = await openRegistry(options());
  });

  it('finishes what was asked before it was closed, and refuses what is asked after', async () => {
    const creating = create(draft('a'));
    const closing = registry.close();
    await expect(create(draft('b'))).rejects.toThrow(refused('unavailable', /closed/));
    await expect(creating).resolves.toHaveLength(1);
    await closing;
    registry = await openRegistry(options());
    expect(registry.count()).toBe(1);
  });
});
