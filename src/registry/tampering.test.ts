import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../../test/fakes/clock.ts';
import { IdentityError } from '../errors.ts';
import { systemRandom } from '../runtime/random.ts';
import type { Entry } from '../spiffe/entry.ts';
import { TrustDomain } from '../spiffe/id.ts';
import { openRegistry, type Person, type Registry } from './registry.ts';

/** A registry that was closed, and one as a kill -9 leaves it: all that happened is still in the write-ahead log. */
const kinds = { closed: ['registry.db'], killed: ['registry.db', 'registry.db-wal'] } as const;

let directory: string;
let entries: readonly Entry[];
let people: readonly Person[];
let version: number;
const path = (): string => join(directory, 'registry.db');
const kept = (kind: string, file: string): string => join(directory, `${kind}.${file}`);
const open = (more: { leastVersion?: number } = {}): Promise<Registry> =>
  openRegistry({
    path: path(),
    key: Buffer.alloc(32, 1),
    clock: new FakeClock(),
    random: systemRandom,
    trustDomain: TrustDomain.parse('example.org'),
    ...more,
  });
const keep = (kind: keyof typeof kinds): void => {
  for (const file of kinds[kind]) copyFileSync(join(directory, file), kept(kind, file));
};
const restore = (kind: keyof typeof kinds): void => {
  for (const suffix of ['', '-wal', '-shm']) rmSync(path() + suffix, { force: true });
  for (const file of kinds[kind]) copyFileSync(kept(kind, file), join(directory, file));
};

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'registry-'));
  const registry = await open();
  await registry.addPerson({ id: 'ada', name: 'Ada Byron' });
  await registry.addPerson({ id: 'bob', name: 'Bob' });
  for (let at = 0; at < 6; at++) {
    const id = (n: number): string => `spiffe://example.org/${at}/${n}`;
    const drafts = Array.from({ length: 5 }, (_, n) => ({
      spiffeId: id(n),
      selectors: [`unix:uid:${n}`],
      owner: 'ada',
    }));
    await registry.createEntries(drafts);
  }
  await registry.setPersonEnabled('bob', false);
  [entries, people, version] = [registry.list(), registry.people(), registry.version];
  keep('killed');
  await registry.close();
  keep('closed');
});
afterAll(() => rmSync(directory, { recursive: true }));
beforeEach(() => restore('closed'));

const edit = (sql: string): void => {
  const database = new DatabaseSync(path());
  database.exec(sql);
  database.close();
};
const refused = (message: RegExp, code = 'data-loss'): unknown =>
  expect.objectContaining({ name: 'IdentityError', code, message: expect.stringMatching(message) });

describe('an edit with SQL never becomes an identity', () => {
  it.each([
    ['another SPIFFE ID', "update entries set spiffe_id = 'spiffe://example.org/admin' where hint = ''", /entries\//],
    ['fewer selectors', "update entries set selectors = '[\"unix:uid:0\"]' where spiffe_id like '%/0/1'", /entries\//],
    ['a ban lifted', "update people set enabled = 1 where id = 'bob'", /people\/bob/],
    [
      'a new entry with the seal of another',
      `insert into entries select 'forged', spiffe_id, selectors, owner, description, x509_svid_ttl, jwt_svid_ttl,
       dns_names, hint, federates_with, audiences, expires_at, revision, created_at, 'forged', seal, subject from entries limit 1`,
      /entries\/forged/,
    ],
    ['a subject added', "update entries set subject = 'admin' where spiffe_id like '%/0/0'", /entries\//],
    ['an entry taken out', "delete from entries where spiffe_id like '%/0/0'", /rows are missing/],
    ['everything taken out', 'delete from entries; delete from people', /rows are missing/],
    ['the sum taken out', 'delete from registry', /missing/],
    ['the sum of an older state', 'update registry set version = version - 1', /older/],
    ['another trust domain', "update registry set trust_domain = 'evil.example'", /older/],
    ['a number no date can have', 'update entries set expires_at = 9223372036854775807', /damaged/],
    ['a trigger', 'create trigger t after insert on people begin delete from entries; end', /altered/],
    ['a table gone', 'pragma foreign_keys = off; drop table people', /altered/],
    ['a column renamed', 'alter table entries rename column hint to note', /altered/],
    ['another kind of file', 'pragma application_id = 1', /not a mayfly registry/],
  ])('%s', async (_, sql, message) => {
    edit(sql);
    await expect(open()).rejects.toThrow(refused(message));
  });

  it('a row put back as it once was, with the seal it then had', async () => {
    const database = new DatabaseSync(path());
    const banned = database.prepare("select * from people where id = 'bob'").get();
    database.close();
    const registry = await open();
    await registry.setPersonEnabled('bob', true);
    await registry.close();
    edit(`update people set enabled = 0, seal = '${banned?.['seal']}' where id = 'bob'`);
    await expect(open()).rejects.toThrow(refused(/older/));
  });

  it('refuses the format of a newer mayfly without calling it damage', async () => {
    edit('pragma user_version = 99');
    await expect(open()).rejects.toThrow(refused(/newer mayfly/, 'failed-precondition'));
  });
});

describe('a damaged file is refused and left as it is', () => {
  it.each([
    ['empty', () => truncateSync(path())],
    ['cut in half', () => truncateSync(path(), readFileSync(path()).length / 2)],
    ['text', () => writeFileSync(path(), 'not a database\n'.repeat(100))],
    ['zeroes', () => writeFileSync(path(), Buffer.alloc(readFileSync(path()).length))],
  ])('%s', async (_, damage) => {
    damage();
    const before = readFileSync(path());
    await expect(open()).rejects.toThrow(refused(/registry\.db/));
    expect(readFileSync(path()).equals(before)).toBe(true);
  });

  it('gone, while its write-ahead log is still there', async () => {
    restore('killed');
    rmSync(path());
    await expect(open()).rejects.toThrow(refused(/is gone/));
    expect(existsSync(path())).toBe(false);
  });

  it.each(['closed', 'killed'] as const)('any flipped byte, when %s: refused, or without effect', async (kind) => {
    const files = kinds[kind].map((file) => ({ file, bytes: readFileSync(kept(kind, file)) }));
    const outcomes = { refused: 0, unaffected: 0 };
    for (let round = 0; round < 120; round++) {
      restore(kind);
      const { file, bytes } = files[round % files.length] ?? { file: '', bytes: Buffer.alloc(0) };
      const damaged = flip(bytes);
      writeFileSync(join(directory, file), damaged);
      const outcome = await examine();
      if (outcome === 'refused') expect(readFileSync(join(directory, file)).equals(damaged)).toBe(true);
      outcomes[outcome]++;
    }
    expect(outcomes.refused).toBeGreaterThan(0);
  });
});

function flip(bytes: Buffer): Buffer {
  const damaged = Buffer.from(bytes);
  const at = Math.floor(systemRandom.fraction() * bytes.length);
  damaged[at] = (damaged[at] ?? 0) ^ (1 << Math.floor(systemRandom.fraction() * 8));
  return damaged;
}

async function examine(): Promise<'refused' | 'unaffected'> {
  try {
    const registry = await open({ leastVersion: version });
    expect(registry.list()).toEqual(entries);
    expect(registry.people()).toEqual(people);
    await registry.close();
    return 'unaffected';
  } catch (error) {
    if (!(error instanceof IdentityError)) throw error;
    return 'refused';
  }
}
