import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Ledger, type LedgerEvent, type LedgerOptions, openLedger } from '../../src/ledger/ledger.ts';
import { FakeClock } from './clock.ts';

/** A real ledger in a directory of its own, gone at the end of the block. */
export class LedgerDirectory {
  readonly root: string;
  readonly path: string;
  readonly key = Buffer.alloc(32, 7);
  readonly clock = new FakeClock();

  /** In memory, where there is such a place: for tests that write thousands of times. */
  constructor(place: 'disk' | 'memory' = 'disk') {
    const parent = place === 'memory' && existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
    this.root = mkdtempSync(join(parent, 'mayfly-ledger-'));
    this.path = join(this.root, 'ledger');
  }

  open(options: Partial<LedgerOptions> = {}): Promise<Ledger> {
    return openLedger({ directory: this.path, key: this.key, clock: this.clock, ...options });
  }

  file(name: string): string {
    return join(this.path, name);
  }

  lines(name: string): string[] {
    return readFileSync(this.file(name), 'utf8').trimEnd().split('\n');
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

type Issued = Extract<LedgerEvent, { kind: 'x509-svid.issued' }>;

/** A record of the most common sort, different for each `n`. */
export const issued = (n: number, more: Partial<Issued> = {}): Issued => ({
  kind: 'x509-svid.issued',
  instance: `instance-${n % 5}`,
  pid: 1000 + (n % 5),
  startTime: 77,
  uid: 1000,
  gid: 1000,
  selectors: ['unix:uid:1000'],
  entry: 'entry-1',
  revision: 1,
  spiffeId: `spiffe://example.org/web${n % 3}`,
  owner: n % 2 === 0 ? 'ada' : 'grace',
  serial: (0xa000 + n).toString(16).padStart(40, '0'),
  notBefore: 1_795_435_200_000,
  notAfter: 1_795_438_800_000,
  authority: 'key-1',
  ...more,
});

export async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}
