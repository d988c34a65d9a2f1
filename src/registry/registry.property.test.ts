import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FakeClock } from '../../test/fakes/clock.ts';
import { IdentityError } from '../errors.ts';
import { systemRandom } from '../runtime/random.ts';
import type { Entry, EntryDraft } from '../spiffe/entry.ts';
import { TrustDomain } from '../spiffe/id.ts';
import type { Selector } from '../spiffe/selector.ts';
import { openRegistry, type Registry } from './registry.ts';

const owners = ['ada', 'bob'];
const selectors = ['unix:uid:1', 'unix:uid:2', 'unix:gid:1', 'unix:path:/a', 'unix:sha256:00'];

async function withRegistry(
  use: (registry: Registry, clock: FakeClock, reopen: () => Promise<Registry>) => Promise<void>,
) {
  const directory = mkdtempSync(join(tmpdir(), 'registry-'));
  const clock = new FakeClock();
  const [path, key, random] = [join(directory, 'registry.db'), Buffer.alloc(32, 1), systemRandom];
  const open = () => openRegistry({ path, key, clock, random, trustDomain: TrustDomain.parse('example.org') });
  let registry = await open();
  const reopen = async (): Promise<Registry> => {
    await registry.close();
    registry = await open();
    return registry;
  };
  try {
    for (const id of owners) await registry.addPerson({ id, name: id });
    await use(registry, clock, reopen);
  } finally {
    await registry.close();
    rmSync(directory, { recursive: true });
  }
}

const text = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((s) => !/\p{Cc}|\p{Zl}|\p{Zp}/u.test(s));
const label = fc.stringMatching(/^[a-z0-9][a-z0-9_.-]{0,9}[a-z0-9]$/);
const anyDraft: fc.Arbitrary<EntryDraft> = fc.record({
  spiffeId: fc.array(label, { minLength: 1, maxLength: 4 }).map((path) => `spiffe://example.org/${path.join('/')}`),
  selectors: fc.array(
    text.map((value) => `docker:label:x:${value}`),
    { minLength: 1, maxLength: 5 },
  ),
  owner: fc.constantFrom(...owners),
  description: text,
  x509SvidTtlSeconds: fc.oneof(fc.constant(0), fc.integer({ min: 5, max: 86_400 })),
  jwtSvidTtlSeconds: fc.oneof(fc.constant(0), fc.integer({ min: 5, max: 86_400 })),
  dnsNames: fc.array(fc.stringMatching(/^[a-z][a-z0-9]{0,8}\.example$/), { maxLength: 3 }),
  hint: text,
  federatesWith: fc.array(
    label.map((name) => `${name}.example`),
    { maxLength: 3 },
  ),
  audiences: fc.array(fc.stringMatching(/^[a-z"\\{} -]{1,9}\*?$/), { maxLength: 3 }),
  expiresAt: fc.option(fc.integer({ min: 1, max: Date.UTC(9999, 0) }), { nil: undefined }),
});

it('R-ISS-5 brings any entry back from the database exactly as it was', () =>
  withRegistry(async (registry, _clock, reopen) => {
    const drafts = fc.uniqueArray(anyDraft, { minLength: 300, maxLength: 300, selector: (draft) => draft.spiffeId });
    const { entries } = await registry.createEntries(fc.sample(drafts, 1).flat());
    const reopened = await reopen();
    expect(reopened.list()).toEqual(entries);
    for (const entry of entries) expect(reopened.entry(entry.id)).toEqual(entry);
  }));

const someSelectors = fc.uniqueArray(fc.constantFrom(...selectors), { minLength: 1, maxLength: 3 });
const changing = {
  selectors: someSelectors,
  expiresAt: fc.option(fc.integer({ min: 1, max: 100 }), { nil: undefined }),
};
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ does: fc.constant('create'), path: fc.nat(5), owner: fc.nat(1), ...changing }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('update'), which: fc.nat(), owner: fc.nat(1), ...changing }) },
  fc.record({ does: fc.constant('delete'), which: fc.nat() }),
  fc.record({ does: fc.constant('enable'), owner: fc.nat(1), enabled: fc.boolean() }),
  fc.record({ does: fc.constant('wait'), ms: fc.integer({ min: -5, max: 20 }) }),
  fc.record({ does: fc.constant('reopen') }),
);

type Step = { does: string; path?: number; which?: number; owner?: number; enabled?: boolean; ms?: number } & Pick<
  Partial<EntryDraft>,
  'selectors' | 'expiresAt'
>;

it('owes, after any history, exactly what a walk over all entries says', async () => {
  const histories = fc.array(step, { minLength: 5, maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(histories, fc.uniqueArray(fc.constantFrom(...selectors)), (steps, caller) =>
      withRegistry(async (first, clock, reopen) => {
        const start = clock.now();
        let registry = first;
        for (const each of steps as Step[]) {
          if (each.does === 'reopen') registry = await reopen();
          else await take(each, registry, clock, start);
          compare(registry, new Set(caller as Selector[]), clock.now());
        }
      }),
    ),
    { numRuns: 25 },
  );
});

/** One step; a refusal is an answer like any other. */
async function take(each: Step, registry: Registry, clock: FakeClock, start: number): Promise<void> {
  const id = registry.list()[(each.which ?? 0) % Math.max(registry.count(), 1)]?.id ?? 'none';
  const owner = owners[each.owner ?? 0] ?? '';
  const expiresAt = each.expiresAt && start + each.expiresAt;
  const fields = { selectors: each.selectors ?? [], owner, expiresAt };
  const spiffeId = `spiffe://example.org/${each.path}`;
  try {
    if (each.does === 'create') await registry.createEntries([{ ...fields, spiffeId }]);
    if (each.does === 'update') await registry.updateEntry(id, fields);
    if (each.does === 'delete') await registry.deleteEntry(id);
    if (each.does === 'enable') await registry.setPersonEnabled(owner, each.enabled ?? true);
    if (each.does === 'wait') clock.jump(each.ms ?? 0);
  } catch (error) {
    if (!(error instanceof IdentityError)) throw error;
  }
}

function compare(registry: Registry, caller: ReadonlySet<Selector>, now: number): void {
  const all = [...registry.list()];
  const expired = (entry: Entry): boolean => entry.expiresAt !== undefined && entry.expiresAt <= now;
  const matching = all.filter((entry) => entry.selectors.every((selector) => caller.has(selector)));
  const owed = matching.filter((entry) => registry.person(entry.owner).enabled && !expired(entry));
  expect(registry.entitled(caller, now)).toEqual(
    owed.sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1)),
  );
  const later = all.flatMap(({ expiresAt = 0 }) => (expiresAt > now ? [expiresAt] : []));
  expect(registry.nextExpiry(now)).toBe(later.length === 0 ? undefined : Math.min(...later));
  const hashes = all.some((entry) => entry.selectors.some((selector) => selector.startsWith('unix:sha256:')));
  expect(registry.wants('unix:sha256:')).toBe(hashes);
  for (const owner of owners) expect(registry.count({ owner })).toBe(registry.list({ owner }).length);
  const near = all.filter(({ selectors: own }) => own.some((selector) => caller.has(selector))).length - owed.length;
  expect(registry.near(caller, 1000)).toHaveLength(near);
}
