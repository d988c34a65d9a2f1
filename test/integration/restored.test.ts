/**
 * An old copy of the data directory is put back: whole, it is consistent in itself, and what was taken from people since
 * would be theirs again. mayfly sees it as long as the machine runs, and starts only on the operator's word.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { first, launcher, type Mayfly, newDirectory, type Outcome, run, startMayfly } from './fixture.ts';

const directory = newDirectory();
const data = join(directory, 'data');
const newest = join(directory, 'newest');
const mark = join(directory, 'admin', 'admin.sock.seen');

/** With owner and modes, as the manual says. */
function put(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  execFileSync('cp', ['-a', from, to]);
}

/** One that is meant to be refused. */
const up = (): Promise<Outcome> => {
  const where = [
    '--socket',
    join(directory, 'run', 'api.sock'),
    '--admin-socket',
    join(directory, 'admin', 'admin.sock'),
  ];
  return run(launcher, ['up', '--trust-domain', 'example.org', '--data-dir', data, ...where]);
};

/** Starts, does `work`, and ends in the way that is named. */
async function life(end: 'SIGTERM' | 'SIGKILL', work: (mayfly: Mayfly) => Promise<unknown>): Promise<void> {
  const mayfly = await startMayfly({ directory });
  await work(mayfly);
  mayfly.operator[Symbol.dispose]();
  await mayfly.stop(end);
}

beforeAll(async () => {
  await life('SIGTERM', async ({ operator }) => {
    await operator.addPerson('ada');
    await operator.create({ spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:10001'] });
  });
  put(data, join(directory, 'old'));
  await life('SIGKILL', async ({ operator }) => operator.remove(first(await operator.entries())));
  put(data, newest);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const files = ['registry.db', 'registry.db-wal', 'registry.db-shm', 'registry.version'];

describe('an old copy of the data directory', () => {
  it('is known by a mark that is kept outside of it and is for the operator alone', () => {
    expect(statSync(mark).mode & 0o777).toBe(0o600);
    expect(readFileSync(mark, 'latin1')).toMatch(/^3 \d+ \d+ [0-9a-f]{64}\n$/);
  });

  it.each([
    ['whole', undefined, 'registry is at 2 and was at 3'],
    ['of the registry alone', files, 'registry is at 2 and was at 3'],
    ['of the ledger alone', ['ledger'], 'ledger is at \\d+ and was at \\d+'],
  ] as const)(
    'R-AUD-1 put back %s is refused, in one sentence that says what the operator may do',
    async (_, names, told) => {
      put(newest, data);
      if (names === undefined) put(join(directory, 'old'), data);
      else
        for (const name of names) {
          rmSync(join(data, name), { recursive: true, force: true });
          const old = join(directory, 'old', name);
          if (existsSync(old)) put(old, join(data, name));
        }
      const { status, stderr } = await up();
      expect(stderr).toMatch(
        new RegExp(`^error: an old copy of the data directory was put back: its ${told}. [^\\n]*\\n`),
      );
      expect(stderr).toContain(`remove ${mark}`);
      expect(status).toBe(10);
    },
  );

  it('starts once the newest is back', async () => {
    put(newest, data);
    await life('SIGTERM', async ({ operator }) => expect(await operator.entries()).toEqual([]));
  });

  it('starts on the word of the operator, and is seen from then on', async () => {
    put(join(directory, 'old'), data);
    rmSync(mark);
    await life('SIGTERM', async ({ operator }) => expect(await operator.entries()).toHaveLength(1));
    expect(readFileSync(mark, 'latin1')).toMatch(/^2 /);
  });
});
