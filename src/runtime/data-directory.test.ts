import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDataDirectory } from './data-directory.ts';
import { systemRandom as random } from './random.ts';

let parent: string;
let path: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'mayfly-data-'));
  path = join(parent, 'data');
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

const use = <T>(work: (data: ReturnType<typeof openDataDirectory>) => T): T => {
  const data = openDataDirectory(path, random);
  try {
    return work(data);
  } finally {
    data.release();
  }
};

describe('the data directory', () => {
  it('is fresh as long as nothing was kept, also after a first start that was cut off', () => {
    expect(use(({ fresh }) => fresh)).toBe(true);
    mkdirSync(join(path, 'ledger'), { mode: 0o700 });
    expect(use(({ fresh }) => fresh)).toBe(true);
  });

  it('keeps its seals from one start to the next, and misses one that is gone', () => {
    const keys = () => use(({ registryKey, ledgerKey }) => [registryKey.toString('hex'), ledgerKey.toString('hex')]);
    const first = keys();
    expect(keys()).toEqual(first);
    mkdirSync(join(path, 'ledger'), { mode: 0o700 });
    chmodSync(join(path, 'ledger'), 0o700);
    rmSync(join(path, 'keys', 'ledger.seal'));
    // The head of a ledger is what says that something was sealed.
    mkdirSync(join(path, 'ledger', 'head'));
    expect(() => use(() => undefined)).toThrow('ledger.seal is missing');
  });

  it('I13 says when there is hardly any room left, for as long as there is', () => {
    mkdirSync(path, { mode: 0o700 });
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=0700', 'mayfly-test', path]).status === 0;
    expect(mounted, 'a tmpfs cannot be mounted: run the tests as root').toBe(true);
    try {
      use((data) => {
        expect(data.problem).toBeUndefined();
        writeFileSync(join(path, 'ballast'), Buffer.alloc(900 * 1024));
        expect(data.problem).toMatch(/the disk of .*\/data is full but for \d+ bytes: free space/);
        rmSync(join(path, 'ballast'));
        expect(data.problem).toBeUndefined();
      });
    } finally {
      spawnSync('umount', ['-l', path]);
    }
  });

  it('remembers how far the registry got, and goes on where the disk does not take it', () => {
    use((data) => data.remember(7));
    use((data) => {
      expect(data.registryVersion).toBe(7);
      // A directory in the place of the file that is written first.
      mkdirSync(join(path, '.registry.version.new', 'x'), { recursive: true });
      data.remember(8);
      expect(data.problem).toContain('registry.version');
      rmSync(join(path, '.registry.version.new'), { recursive: true });
      // Whoever asks hears that it is over, although nothing has changed since.
      expect(data.problem).toBeUndefined();
      expect(readFileSync(join(path, 'registry.version'), 'latin1')).toMatch(/^8 /);
      data.remember(9);
      expect(data.problem).toBeUndefined();
    });
    expect(existsSync(join(path, '.registry.version.new'))).toBe(false);
    expect(readFileSync(join(path, 'registry.version'), 'latin1')).toMatch(/^9 [0-9a-f]{64}\n$/);
  });
});
