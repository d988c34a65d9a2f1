import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeCa } from '../../test/fakes/ca.ts';
import { FakeClock } from '../../test/fakes/clock.ts';
import { systemRandom } from '../runtime/random.ts';
import { type Bundle, formatBundle } from '../spiffe/bundle.ts';
import { TrustDomain } from '../spiffe/id.ts';
import { encodePem } from '../x509/pem.ts';
import { openRegistry, type Registry, type RegistryChange, type RegistryOptions } from './registry.ts';

const partner = TrustDomain.parse('partner.example');
const ca = new FakeCa(partner);
const document = (sequence?: bigint, more: Partial<Bundle> = {}): string =>
  formatBundle({
    trustDomain: partner,
    x509Authorities: [ca.certificate],
    jwtAuthorities: [],
    sequence,
    refreshHintSeconds: undefined,
    ...more,
  });
const web = { trustDomain: partner, endpointUrl: 'https://partner.example/bundle', profile: 'https_web' } as const;
const spiffe = { ...web, profile: 'https_spiffe', endpointSpiffeId: 'spiffe://partner.example/bundle-server' } as const;
const refused = (code: string, message: RegExp): unknown =>
  expect.objectContaining({ name: 'IdentityError', code, message: expect.stringMatching(message) });

let directory: string;
let registry: Registry;
const options = (): RegistryOptions => ({
  path: join(directory, 'registry.db'),
  key: Buffer.alloc(32, 1),
  clock: new FakeClock(),
  random: systemRandom,
  trustDomain: TrustDomain.parse('example.org'),
});
const reopen = async (): Promise<void> => {
  await registry.close();
  registry = await openRegistry(options());
};
const kept = (): string | undefined => registry.foreign.bundle(partner)?.document;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'registry-'));
  registry = await openRegistry(options());
});
afterEach(async () => {
  await registry.close();
  rmSync(directory, { recursive: true });
});

describe('a federation relationship', () => {
  it('FD-04 is kept as it was configured; FD-07 https_web needs no more than URL, profile and trust domain', async () => {
    const created = await registry.foreign.create(web);
    const expected = { ...web, endpointSpiffeId: undefined, roots: '', privateAddresses: false };
    expect(created).toMatchObject(expected);
    await reopen();
    expect(registry.foreign.relationships()).toEqual([created]);
    expect(registry.foreign.relationship(partner)).toEqual(created);
  });

  const roots = encodePem('CERTIFICATE', ca.certificate);
  it.each([
    ['FD-43 our own trust domain', { ...web, trustDomain: 'example.org' }, /trust_domain is our own/],
    ['FD-04 no trust domain', { ...web, trustDomain: '' }, /trust_domain is refused/],
    ['an ID for a trust domain', { ...web, trustDomain: 'spiffe://partner.example' }, /trust_domain is refused/],
    ['FD-04 no profile', { ...web, profile: '' }, /profile is https_web or https_spiffe/],
    ['FD-04 no URL', { ...web, endpointUrl: '' }, /endpoint_url must look like https:/],
    ['FD-05 http', { ...web, endpointUrl: 'http://partner.example/' }, /endpoint_url must look like https:/],
    ['FD-06 a user in the URL', { ...web, endpointUrl: 'https://u:p@partner.example/' }, /user name or a password/],
    ['FD-06 an empty user', { ...web, endpointUrl: 'https://@partner.example/' }, /user name or a password/],
    ['a fragment', { ...web, endpointUrl: 'https://partner.example/#x' }, /fragment/],
    ['an endless URL', { ...web, endpointUrl: `https://partner.example/${'x'.repeat(2048)}` }, /longer than 2048/],
    ['FD-20 https_spiffe without the ID', { ...web, profile: 'https_spiffe' }, /endpoint_spiffe_id is missing/],
    ['a trust domain as the ID', { ...spiffe, endpointSpiffeId: 'spiffe://partner.example' }, /endpoint_spiffe_id/],
    ['FD-40 https_web with an ID', { ...spiffe, profile: 'https_web' }, /https_spiffe alone/],
    ['FD-40 https_spiffe with roots', { ...spiffe, roots }, /https_web alone/],
    ['roots that are none', { ...web, roots: 'x' }, /1 to 16 certificates/],
    ['a broken root', { ...web, roots: encodePem('CERTIFICATE', Buffer.of(1, 2, 3)) }, /roots is refused/],
  ])('is refused: %s', async (_, draft, message) => {
    await expect(registry.foreign.create(draft)).rejects.toThrow(refused('invalid-argument', message));
    expect(registry.version).toBe(0);
  });

  it('is there once, is changed in what the patch names, and refuses what it could not be created with', async () => {
    await registry.foreign.create(spiffe);
    await expect(registry.foreign.create(web)).rejects.toThrow(refused('already-exists', /federation update/));
    await registry.foreign.update(partner, { endpointUrl: 'https://other.example/' });
    await expect(registry.foreign.update(partner, { endpointUrl: 'ftp://x/' })).rejects.toThrow(/endpoint_url/);
    await reopen();
    expect(registry.foreign.relationship(partner)).toMatchObject({ ...spiffe, endpointUrl: 'https://other.example/' });
    await expect(registry.foreign.update('no.example', {})).rejects.toThrow(refused('not-found', /federation list/));
  });

  it('FD-38 leaves with the bundle that was learned by it', async () => {
    const heard: RegistryChange[] = [];
    const relationship = await registry.foreign.create(spiffe, document(1n));
    registry.onChange((change) => heard.push(change));
    await registry.foreign.delete(partner);
    expect(heard).toMatchObject([
      { relationships: [{ before: relationship, after: undefined }], bundles: [{ after: undefined }] },
    ]);
    await reopen();
    expect([registry.foreign.relationships(), registry.foreign.bundles()]).toEqual([[], []]);
    await expect(registry.foreign.delete(partner)).rejects.toThrow(refused('not-found', /no federation/));
  });
});

describe('a foreign bundle', () => {
  it('BF-29 FD-33 is kept under the name it was asked for by, FD-30 also over a restart', async () => {
    const from = await registry.foreign.create(spiffe);
    await expect(registry.foreign.takeBundle(from, document(7n))).resolves.toMatchObject({ changed: true });
    await reopen();
    const [only] = registry.foreign.bundles();
    expect(only).toMatchObject({ bundle: { trustDomain: partner, sequence: 7n }, source: 'endpoint' });
    expect(only?.bundle.x509Authorities).toEqual([ca.certificate]);
  });

  it('is not written again while it says the same, however it is spelt', async () => {
    const from = await registry.foreign.create(spiffe, document(7n));
    const { version } = registry;
    await expect(registry.foreign.takeBundle(from, ` ${document(7n)}\n`)).resolves.toMatchObject({ changed: false });
    expect(registry.version).toBe(version);
  });

  it('FD-31 an older number does not replace a newer one; BF-08 numbers have 64 bits', async () => {
    const from = await registry.foreign.create(spiffe);
    const take = (sequence?: bigint) => registry.foreign.takeBundle(from, document(sequence));
    const newest = 2n ** 64n - 1n;
    await take(newest);
    await expect(take(newest - 1n)).rejects.toThrow(
      refused('failed-precondition', /is older than 18446744073709551615/),
    );
    expect(kept()).toBe(document(newest));
  });

  it('FD-31 of bundles without a number the one that was fetched last counts', async () => {
    const from = await registry.foreign.create(spiffe);
    await registry.foreign.takeBundle(from, document(7n));
    await registry.foreign.takeBundle(from, document(undefined));
    await registry.foreign.takeBundle(from, document(undefined, { x509Authorities: [] }));
    expect(kept()).toBe(document(undefined, { x509Authorities: [] }));
  });

  it('FD-32 that an operator brought stands until the next fetch, whatever its number', async () => {
    const from = await registry.foreign.create(spiffe);
    await registry.foreign.takeBundle(from, document(7n));
    await registry.foreign.setBundle(partner, document(9n));
    expect(kept()).toBe(document(9n));
    await registry.foreign.takeBundle(from, document(8n));
    expect(kept()).toBe(document(8n));
  });

  it('that is fetched while its relationship changes is thrown away', async () => {
    const from = await registry.foreign.create(spiffe);
    await registry.foreign.update(partner, { endpointUrl: 'https://other.example/' });
    await expect(registry.foreign.takeBundle(from, document(1n))).rejects.toThrow(
      refused('cancelled', /changed while/),
    );
    await registry.foreign.delete(partner);
    await expect(registry.foreign.takeBundle(from, document(1n))).rejects.toThrow(
      refused('cancelled', /changed while/),
    );
    expect(registry.foreign.bundles()).toEqual([]);
  });

  it('may stand alone, for an endpoint that another trust domain serves (FD-26)', async () => {
    await registry.foreign.setBundle(partner, document(1n));
    await registry.foreign.deleteBundle(partner);
    await expect(registry.foreign.deleteBundle(partner)).rejects.toThrow(refused('not-found', /bundle list/));
    await expect(registry.foreign.setBundle('example.org', document(1n))).rejects.toThrow(/is our own/);
  });

  it('BF-02 fault row 34: that is broken, or has keys out of all measure, leaves the old one', async () => {
    const from = await registry.foreign.create(spiffe, document(1n));
    await registry.foreign.takeBundle(from, document(1n));
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const keys = Array.from({ length: 513 }, (_, at) => ({ keyId: `${at}`, publicKey }));
    const many = document(2n, { jwtAuthorities: keys });
    for (const broken of ['{}', '{"keys":null}', '{', many, `${document(2n)}${' '.repeat(1024 * 1024)}`]) {
      await expect(registry.foreign.takeBundle(from, broken)).rejects.toMatchObject({ code: 'invalid-argument' });
    }
    expect(kept()).toBe(document(1n));
  });

  it('BF-03 BF-04 without a usable key is taken: it revokes everything', async () => {
    const from = await registry.foreign.create(spiffe, document(1n));
    await registry.foreign.takeBundle(from, '{"keys":[],"spiffe_sequence":2}');
    expect(registry.foreign.bundle(partner)?.bundle).toMatchObject({ x509Authorities: [], jwtAuthorities: [] });
  });
});

describe('an entry that federates', () => {
  it('may come before the bundle, which is said once, and not after it', async () => {
    await registry.addPerson({ id: 'ada', name: 'Ada Byron' });
    const drafts = (prefix: string) =>
      ['a', 'b'].map((name) => ({
        ...{ spiffeId: `spiffe://example.org/${prefix}/${name}`, selectors: ['unix:uid:1'], owner: 'ada' },
        federatesWith: [partner],
      }));
    const { entries, warnings } = await registry.createEntries(drafts('before'));
    const text = expect.stringMatching(/^No bundle of partner.example is known yet/);
    expect(warnings).toEqual([{ entryId: entries[0]?.id, text }]);
    await registry.foreign.setBundle(partner, document(1n));
    expect((await registry.createEntries(drafts('after'))).warnings).toEqual([]);
  });
});

describe('what is believed of others', () => {
  it.each([
    ['another URL', "update relationships set endpoint_url = 'https://evil.example/'", /relationships\/partner/],
    ['another bundle', `update foreign_bundles set document = '{"keys":[]}'`, /foreign_bundles\/partner/],
    [
      'a bundle under another name',
      "update foreign_bundles set trust_domain = 'other.example'",
      /foreign_bundles\/other/,
    ],
    ['a bundle that is taken out', 'delete from foreign_bundles', /rows are missing/],
  ])('is refused at the start after an edit with SQL: %s', async (_, sql, message) => {
    await registry.foreign.create(spiffe, document(1n));
    await registry.close();
    const database = new DatabaseSync(join(directory, 'registry.db'));
    database.exec(sql);
    database.close();
    await expect(openRegistry(options())).rejects.toThrow(refused('data-loss', message));
  });
});

describe('a registry of the first format', () => {
  /** As the first release left it: without the tables that came later, and a column less. */
  const asFirstRelease = (): void => {
    const database = new DatabaseSync(join(directory, 'registry.db'));
    database.exec('drop table relationships; drop table foreign_bundles; drop table audiences');
    database.exec('alter table entries drop column subject; pragma user_version = 1');
    database.close();
  };

  it('is read, verified and given the new tables', async () => {
    const person = await registry.addPerson({ id: 'ada', name: 'Ada Byron' });
    const { entries } = await registry.createEntries([
      { spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:1'], owner: 'ada' },
    ]);
    await registry.close();
    asFirstRelease();
    registry = await openRegistry(options());
    expect([registry.people(), registry.list()]).toEqual([[person], entries]);
    await registry.foreign.create(spiffe, document(1n));
    await registry.updateEntry(entries[0]?.id ?? '', { subject: '{name}' });
    await reopen();
    expect([registry.version, kept()]).toEqual([4, document(1n)]);
    expect(registry.list()).toMatchObject([{ subject: '{name}', revision: 2 }]);
  });

  it('that was tampered with is refused and left as it is', async () => {
    await registry.addPerson({ id: 'ada', name: 'Ada Byron' });
    await registry.close();
    asFirstRelease();
    const database = new DatabaseSync(join(directory, 'registry.db'));
    database.exec("update people set name = 'Eve'");
    await expect(openRegistry(options())).rejects.toThrow(refused('data-loss', /people\/ada/));
    expect(database.prepare('pragma user_version').get()).toEqual({ user_version: 1 });
    database.close();
  });
});
