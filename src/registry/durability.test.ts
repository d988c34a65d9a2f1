import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../../test/fakes/clock.ts';
import { systemRandom } from '../runtime/random.ts';
import type { EntryDraft } from '../spiffe/entry.ts';
import { TrustDomain } from '../spiffe/id.ts';
import { byAge } from './contents.ts';
import { openForWriting } from './database.ts';
import { openRegistry, type Registry } from './registry.ts';

const refused = (code: string, message: RegExp): unknown =>
  expect.objectContaining({ name: 'IdentityError', code, message: expect.stringMatching(message) });
const draft = (name: string): EntryDraft => ({
  spiffeId: `spiffe://example.org/${name}`,
  selectors: ['unix:uid:1000'],
  owner: 'ada',
});

let directory: string;
const path = (): string => join(directory, 'registry.db');
const open = (at = path()): Promise<Registry> =>
  openRegistry({
    path: at,
    key: Buffer.alloc(32, 1),
    clock: new FakeClock(),
    random: systemRandom,
    trustDomain: TrustDomain.parse('example.org'),
  });
const withAda = async (at = path()): Promise<Registry> => {
  const registry = await open(at);
  await registry.addPerson({ id: 'ada', name: 'Ada Byron' });
  return registry;
};

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'registry-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

describe('the database', () => {
  it('keeps a write-ahead log and syncs it with every commit: NORMAL would lose acknowledged ones', async () => {
    await (await open()).close();
    const database = openForWriting(path());
    const pragma = (name: string) => database.prepare(`pragma ${name}`).get()?.[name];
    expect(['journal_mode', 'synchronous', 'foreign_keys', 'locking_mode', 'user_version'].map(pragma)).toEqual([
      'wal',
      2,
      1,
      'exclusive',
      3,
    ]);
    database.close();
  });

  it('lies in files that nobody else can read, whatever the umask', async () => {
    const umask = process.umask(0);
    const registry = await withAda().finally(() => process.umask(umask));
    const files = readdirSync(directory);
    expect(files).toContain('registry.db-wal');
    expect(files.filter((file) => (statSync(join(directory, file)).mode & 0o077) !== 0)).toEqual([]);
    await registry.close();
  });

  it.each(['registry.db', 'registry.db-wal'])('is refused when others can read its %s', async (file) => {
    await (await open()).close();
    if (file.endsWith('-wal')) writeFileSync(join(directory, file), '');
    chmodSync(join(directory, file), 0o640);
    await expect(open()).rejects.toThrow(refused('failed-precondition', /mode 0640.*chmod 0600/));
  });

  it('is refused when it is not a file, or its directory is open to others', async () => {
    mkdirSync(path());
    await expect(open()).rejects.toThrow(refused('failed-precondition', /not a regular file/));
    chmodSync(directory, 0o755);
    await expect(open()).rejects.toThrow(refused('failed-precondition', /chmod 0700/));
  });

  it('has one user at a time', async () => {
    const first = await withAda();
    await expect(open()).rejects.toThrow(refused('failed-precondition', /another program holds/));
    await first.createEntries([draft('web')]);
    await first.close();
  });

  it('is made again when making it was cut short', async () => {
    writeFileSync(`${path()}.new`, 'half', { mode: 0o600 });
    const registry = await withAda();
    expect(registry.people()).toHaveLength(1);
    await registry.close();
  });
});

/** Says each entry on a line of its own once it is acknowledged, for as long as it lives. */
const writer = (registryPath: string): string => `
  const { openRegistry } = await import(${JSON.stringify(new URL('registry.ts', import.meta.url).href)});
  const { systemClock: clock } = await import(${JSON.stringify(new URL('../runtime/clock.ts', import.meta.url).href)});
  const { systemRandom: random } = await import(${JSON.stringify(new URL('../runtime/random.ts', import.meta.url).href)});
  const key = Buffer.alloc(32, 1);
  const path = ${JSON.stringify(registryPath)};
  const registry = await openRegistry({ path, key, clock, random, trustDomain: 'example.org' });
  for (let at = registry.count(); ; at++) {
    const drafts = Array.from({ length: 1 + at % 7 }, (_, n) => ({
      spiffeId: 'spiffe://example.org/' + at + '/' + n, selectors: ['unix:uid:1'], owner: 'ada',
    }));
    const { entries } = await registry.createEntries(drafts);
    process.stdout.write(entries.map((entry) => JSON.stringify(entry) + '\\n').join(''));
  }`;

/** What a writer had acknowledged when it was killed, after about so many entries. */
async function killedAfter(count: number): Promise<unknown[]> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', writer(path())], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const acknowledged: unknown[] = [];
  for await (const line of createInterface(child.stdout)) {
    acknowledged.push(JSON.parse(line));
    if (acknowledged.length === count) child.kill('SIGKILL');
  }
  return acknowledged;
}

it('still has every entry that was acknowledged before a kill -9, and transactions whole', async () => {
  await (await withAda()).close();
  const acknowledged: unknown[] = [];
  for (const count of [1, 60]) {
    acknowledged.push(...(await killedAfter(count)));
    const registry = await open();
    expect(registry.list()).toEqual(expect.arrayContaining(acknowledged));
    const batches = Map.groupBy(registry.list(), (entry) => entry.spiffeId.split('/')[3]);
    for (const [at, entries] of batches) expect(entries).toHaveLength(1 + (Number(at) % 7));
    await registry.close();
  }
}, 20_000);

describe.skipIf(!canMount())('on a full disk', () => {
  let disk: string;
  beforeEach(() => {
    disk = join(directory, 'disk');
    mkdirSync(disk, { mode: 0o700 });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=0700', 'none', disk]);
  });
  afterEach(() => execFileSync('umount', ['-l', disk]));

  it('refuses a change whole, goes on answering, and goes on writing once there is space', async () => {
    const at = join(disk, 'registry.db');
    const registry = await withAda(at);
    const { entries } = await registry.createEntries([draft('web')]);
    const many = Array.from({ length: 5000 }, (_, n) => draft(`many/${n}`));
    await expect(registry.createEntries(many)).rejects.toThrow(refused('resource-exhausted', /full.*free space/));
    expect(statSync(`${at}-wal`).size).toBe(0);
    fill(join(disk, 'filler'));
    let enabled = true;
    const toggle = async (): Promise<void> => {
      await registry.setPersonEnabled('ada', !enabled);
      enabled = !enabled;
    };
    // The write-ahead log may have room left inside: some more fit.
    await expect(untilRefused(toggle)).rejects.toThrow(refused('resource-exhausted', /full/));
    expect(registry.person('ada').enabled).toBe(enabled);
    expect(registry.list()).toEqual(entries);
    rmSync(join(disk, 'filler'));
    await registry.setPersonEnabled('ada', true);
    const after = await registry.createEntries([draft('after')]);
    await registry.close();
    const reopened = await open(at);
    expect(reopened.list()).toEqual([...entries, ...after.entries].sort(byAge));
    await reopened.close();
  });
});

async function untilRefused(change: () => Promise<void>): Promise<void> {
  for (let at = 0; at < 1000; at++) await change();
}

function fill(filler: string): void {
  writeFileSync(filler, '');
  for (const size of [65_536, 4096, 1]) {
    try {
      for (;;) writeFileSync(filler, Buffer.alloc(size), { flag: 'a' });
    } catch (error) {
      expect(error).toMatchObject({ code: 'ENOSPC' });
    }
  }
}

function canMount(): boolean {
  return process.geteuid?.() === 0 && readFileSync('/proc/filesystems', 'utf8').includes('tmpfs');
}
