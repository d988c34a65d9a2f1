/**
 * What a start does with a data directory that is not as it was left. It refuses in one sentence that names the file, and
 * starts again once that file is back; or, where nothing hangs on the file, it starts and nothing was lost.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { issuerAmong, leafOf } from './documents.ts';
import { first, launcher, type Mayfly, newDirectory, type Outcome, run, startMayfly } from './fixture.ts';
import type { X509SvidMessage } from './wire.ts';
import { grpc } from './workload.ts';

/** One directory after an orderly end, one as a kill -9 left it; every case gets a copy. */
let ended: Mayfly;
let killed: Mayfly;
/** What the first of them had granted. */
let svid: X509SvidMessage;
let token: string;

const entry = { spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:10001'], audiences: ['reports'] };

beforeAll(async () => {
  [ended, killed] = await Promise.all([startMayfly(), startMayfly()]);
  await Promise.all([ended.operator.create(entry), killed.operator.create(entry)]);
  const workload = await ended.workload(10001);
  svid = first((await workload.x509()).svids);
  token = first(await workload.jwt(['reports'])).svid;
  await Promise.all([ended.stop(), killed.stop('SIGKILL')]);
});
afterAll(() => Promise.all([ended, killed].map((mayfly) => mayfly?.[Symbol.asyncDispose]())));

type Damage = (path: string) => void;
const damages = {
  'with a flipped bit': (path) => {
    const bytes = readFileSync(path);
    // In a database, where it says something: unused space may be anything.
    const named = bytes.indexOf(entry.spiffeId);
    const at = named < 0 ? bytes.length >> 1 : named;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(path, bytes);
  },
  'cut in half': (path) => truncateSync(path, statSync(path).size >> 1),
  emptied: (path) => truncateSync(path, 0),
  gone: (path) => rmSync(path),
  'readable by others': (path) => chmodSync(path, 0o644),
} satisfies Record<string, Damage>;
type DamageName = keyof typeof damages;
const ways = Object.keys(damages) as DamageName[];

/** A copy of a data directory with one thing wrong in it, and the way to put that right. */
class Copy implements Disposable {
  readonly directory = newDirectory();
  readonly #from: string;

  constructor({ dataDirectory }: Mayfly) {
    this.#from = dataDirectory;
    execFileSync('cp', ['-a', dataDirectory, this.data]);
  }

  get data(): string {
    return join(this.directory, 'data');
  }

  /** The file that such a name stands for: keys are named by chance. */
  find(name: string): string {
    const [directory = '', pattern = ''] = name.includes('/') ? name.split('/') : ['', name];
    const [prefix = '', suffix = ''] = pattern.split('*');
    const found = readdirSync(join(this.data, directory)).filter(
      (one) => one.startsWith(prefix) && one.endsWith(suffix),
    );
    return join(directory, first(found));
  }

  restore(file: string): void {
    execFileSync('cp', ['-a', join(this.#from, file), join(this.data, file)]);
  }

  /** One `mayfly up` that should end by itself. */
  up(): Promise<Outcome> {
    const places = ['--data-dir', this.data, '--socket', join(this.directory, 'run', 'api.sock')];
    const admin = ['--admin-socket', join(this.directory, 'admin', 'admin.sock')];
    return run(launcher, ['up', '--trust-domain', 'example.org', ...places, ...admin], { timeout: 60_000 });
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function expectRefusal({ status, stdout, stderr }: Outcome, copy: Copy, named: string, how = ''): void {
  expect(status, how).toBeGreaterThan(0);
  expect(stdout).toBe('');
  expect(stderr, how).toMatch(/^error: [^\n]+\n {2}[^\n]+\n$/);
  expect(stderr, how).toContain(copy.data);
  expect(stderr, how).toContain(named);
  expect(stderr, how).not.toMatch(/incident|internal|node:|\.ts\b|\bat \//);
  expect(existsSync(join(copy.directory, 'run', 'api.sock'))).toBe(false);
}

/** What the sentence names where it is not the file. */
type Named = (way: DamageName) => string | undefined;

/** Damages a file in each of these ways, one after the other; in the end it starts, so that no refusal changed a thing. */
async function expectRefusedUntilRestored(from: Mayfly, name: string, ways: readonly DamageName[], named?: Named) {
  using copy = new Copy(from);
  const file = copy.find(name);
  for (const way of ways) {
    damages[way](join(copy.data, file));
    expectRefusal(await copy.up(), copy, named?.(way) ?? basename(file), way);
    copy.restore(file);
  }
  await expectNothingLost(copy);
}

/** It starts, with the same entries, and `prove` says what else. */
async function expectNothingLost(copy: Copy, prove: (mayfly: Mayfly) => Promise<void> = async () => undefined) {
  await using mayfly = await startMayfly({ directory: copy.directory });
  expect(await mayfly.operator.entries()).toMatchObject([entry]);
  expect((await mayfly.operator.status()).people).toBe(1);
  await prove(mayfly);
  expect(await mayfly.operator.verifyLedger()).toMatchObject({ ok: true, problem: '' });
}

/** Each file, and the damages after which it is right to start. */
const files: readonly (readonly [string, readonly DamageName[]])[] = [
  ['authorities.json', []],
  ['registry.db', []],
  // Without it the registry is believed as it stands; its own seal still holds.
  ['registry.version', ['gone']],
  ['keys/registry.seal', []],
  ['keys/ledger.seal', []],
  // Another key takes its place, and what the old one signed stays valid.
  ['keys/x509-*.pem', ['gone']],
  ['keys/jwt-*.pem', ['gone']],
  ['ledger/head', []],
  // Its directory keeps others out; the start puts the mode right.
  ['ledger/000001.ndjson', ['readable by others']],
];
/** Nobody knows which segment there was when there is none. */
const elsewhere: Readonly<Record<string, string>> = { 'ledger/000001.ndjson gone': 'records 1 to ' };

describe('a data directory with a file that is damaged', { timeout: 120_000 }, () => {
  it.concurrent.each(files)('SE-15 R-AUD-1 %s: is refused, and starts once it is back', (file, harmless) => {
    const harmful = ways.filter((way) => !harmless.includes(way));
    return expectRefusedUntilRestored(ended, file, harmful, (way) => elsewhere[`${file} ${way}`]);
  });

  it.concurrent.each(files.flatMap(([file, harmless]) => harmless.map((way) => ({ file, way }))))(
    'SE-15 $file, $way: starts, and nothing was lost',
    async ({ file, way }) => {
      using copy = new Copy(ended);
      damages[way](join(copy.data, copy.find(file)));
      await expectNothingLost(copy, async (mayfly) => {
        const workload = await mayfly.workload(10001);
        const { bundle, x509Svid } = first((await workload.x509()).svids);
        for (const leaf of [svid.x509Svid, x509Svid]) expect(issuerAmong(leafOf(leaf), bundle)).toBeDefined();
        for (const one of [token, first(await workload.jwt(['reports'])).svid]) {
          expect((await workload.validate('reports', one)).code).toBe(grpc.ok);
        }
        for (const one of readdirSync(copy.data, { recursive: true, withFileTypes: true })) {
          expect(statSync(join(one.parentPath, one.name)).mode & 0o077, one.name).toBe(0);
        }
      });
    },
  );
});

describe('a data directory after a kill -9, with its last changes in the write-ahead log', () => {
  it.concurrent('SE-15 is refused without all of the log, and starts once that is back', () =>
    expectRefusedUntilRestored(killed, 'registry.db-wal', ways, () => 'registry.db'));

  it.concurrent('SE-15 is refused without the database, and starts once that is back', () =>
    expectRefusedUntilRestored(killed, 'registry.db', ['gone']));

  it.concurrent('SE-15 starts as it is, and nothing was lost', async () => {
    using copy = new Copy(killed);
    await expectNothingLost(copy);
  });
});

describe('a data directory', () => {
  it.concurrent.each(['', 'keys', 'ledger'])(
    'SE-15 R-KEY-1 that others can enter is refused: data/%s',
    async (name) => {
      using copy = new Copy(ended);
      const path = join(copy.data, name);
      chmodSync(path, 0o755);
      expectRefusal(await copy.up(), copy, `chmod 0700 ${path}`);
      chmodSync(path, 0o700);
      await expectNothingLost(copy);
    },
  );

  it.concurrent('SE-15 of another trust domain is refused, and not changed', async () => {
    using copy = new Copy(ended);
    const refused = await run(launcher, ['up', '--trust-domain', 'other.org', '--data-dir', copy.data]);
    expect(refused.status).toBeGreaterThan(0);
    expect(refused.stderr).toMatch(/^error: [^\n]*example\.org[^\n]*\n {2}[^\n]+\n$/);
    await expectNothingLost(copy);
  });
});
