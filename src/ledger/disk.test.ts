import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FaultyDisk } from '../../test/fakes/disk.ts';
import { collect, issued, LedgerDirectory } from '../../test/fakes/ledger-directory.ts';
import { type Ledger, verifyLedger } from './ledger.ts';

/** Appends `count` records at once; notes which were acknowledged, and gives back why others were not. */
async function wave(ledger: Ledger, count: number, acknowledged: number[] = []): Promise<unknown[]> {
  const appends = Array.from({ length: count }, (_, n) => ledger.append(issued(n)));
  const settled = await Promise.allSettled(appends);
  acknowledged.push(...settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value.seq] : [])));
  return settled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
}

const issuedIn = async (ledger: Ledger): Promise<number[]> =>
  (await collect(ledger.query({ kind: 'x509-svid.issued' }))).map(({ seq }) => seq);

/** A file system of 256 KiB, gone at the end of the block; undefined where it cannot be mounted. */
function smallDisk(path: string): Disposable | undefined {
  mkdirSync(path);
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'mayfly-test', path]);
  return status === 0 ? { [Symbol.dispose]: () => void spawnSync('umount', ['-l', path]) } : undefined;
}

function fill(path: string): void {
  try {
    for (;;) appendFileSync(path, Buffer.alloc(4096));
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' });
  }
}

describe('a full disk', () => {
  it('I9 makes the ledger refuse, until there is room: nothing acknowledged is lost, nothing is there twice', async () => {
    using directory = new LedgerDirectory();
    const small = join(directory.root, 'small');
    using disk = smallDisk(small);
    if (disk === undefined) throw new Error('a tmpfs cannot be mounted: run the tests as root');
    const path = join(small, 'ledger');
    const ledger = await directory.open({ directory: path, segmentBytes: 20_000 });
    const acknowledged: number[] = [];
    for (let round = 0; round < 6; round++) {
      fill(join(small, 'ballast'));
      let no: unknown[] = [];
      while (no.length === 0) no = await wave(ledger, 7, acknowledged);
      expect(no[0]).toMatchObject({ code: 'resource-exhausted', message: expect.stringContaining('free space') });
      expect(await wave(ledger, 300, acknowledged)).not.toEqual([]);
      expect(await issuedIn(ledger)).toEqual(acknowledged);
      expect(await verifyLedger(path, directory.key)).toMatchObject({ ok: true, problem: undefined });
      rmSync(join(small, 'ballast'));
      expect(await wave(ledger, 9, acknowledged)).toEqual([]);
    }
    expect(await issuedIn(ledger)).toEqual(acknowledged);
    await ledger.close();
    expect(await verifyLedger(path, directory.key)).toMatchObject({ ok: true, afterHead: 0 });
  });

  it('gives the numbers of refused records to the next ones, also when a segment was about to begin', async () => {
    using directory = new LedgerDirectory();
    const disk = new FaultyDisk();
    const ledger = await directory.open({ openFile: disk.open, segmentBytes: 1 });
    const acknowledged: number[] = [];
    for (const operation of ['open', 'write'] as const) {
      await wave(ledger, 5, acknowledged);
      const { seq } = ledger.head();
      disk.fault = (asked, path) => (asked === operation && path.endsWith('.ndjson') ? 'ENOSPC' : undefined);
      expect(await wave(ledger, 5, acknowledged)).toHaveLength(5);
      expect(ledger.head().seq).toBe(seq);
      disk.fault = () => undefined;
    }
    expect(await wave(ledger, 5, acknowledged)).toEqual([]);
    expect(await issuedIn(ledger)).toEqual(acknowledged);
    await ledger.close();
    expect((await verifyLedger(directory.path, directory.key)).ok).toBe(true);
  });

  it('is not written to again before what a refused write left behind could be cut', async () => {
    using directory = new LedgerDirectory();
    const disk = new FaultyDisk();
    const ledger = await directory.open({ openFile: disk.open });
    await wave(ledger, 2);
    disk.fault = (operation, path) =>
      path.endsWith('.ndjson') && (operation === 'write' || operation === 'truncate') ? 'ENOSPC' : undefined;
    expect(await wave(ledger, 2)).toHaveLength(2);
    disk.fault = (operation) => (operation === 'truncate' ? 'ENOSPC' : undefined);
    expect(await wave(ledger, 2)).toHaveLength(2);
    disk.fault = () => undefined;
    expect(await wave(ledger, 2)).toEqual([]);
    await ledger.close();
    expect(await verifyLedger(directory.path, directory.key)).toMatchObject({ ok: true, records: 5 });
  });

  it('I13 is told as long as it lasts, and its end is found and recorded although nobody asks', async () => {
    using directory = new LedgerDirectory();
    const disk = new FaultyDisk();
    const ledger = await directory.open({ openFile: disk.open });
    const since = directory.clock.now();
    expect(await wave(ledger, 1)).toEqual([]);
    expect(ledger.problem).toBeUndefined();
    disk.fault = (operation, path) => (operation === 'write' && path.endsWith('.ndjson') ? 'ENOSPC' : undefined);
    expect(await wave(ledger, 3)).toHaveLength(3);
    expect(ledger.problem).toContain('the disk is full');
    await directory.clock.advance(10_000);
    expect(ledger.problem).toContain('the disk is full');
    disk.fault = () => undefined;
    const probed = async (): Promise<string | undefined> => {
      await directory.clock.advance(2_000);
      return ledger.problem;
    };
    await expect.poll(probed).toBeUndefined();
    const resumed = await collect(ledger.query({ kind: 'ledger.resumed' }));
    expect(resumed.map(({ event }) => event)).toEqual([{ kind: 'ledger.resumed', since, refused: 3 }]);
    await directory.clock.advance(60_000);
    expect(await wave(ledger, 1)).toEqual([]);
    expect(await collect(ledger.query({ kind: 'ledger.resumed' }))).toHaveLength(1);
    await ledger.close();
    expect((await verifyLedger(directory.path, directory.key)).ok).toBe(true);
  });

  it('does not take back what is durable when only the head could not be written', async () => {
    using directory = new LedgerDirectory();
    const disk = new FaultyDisk();
    const ledger = await directory.open({ openFile: disk.open });
    disk.fault = (operation, path) => (operation === 'write' && path.endsWith('head') ? 'ENOSPC' : undefined);
    expect(await wave(ledger, 1)).toEqual([]);
    expect(await wave(ledger, 1)).toMatchObject([{ code: 'resource-exhausted' }]);
    disk.fault = () => undefined;
    expect(await wave(ledger, 1)).toEqual([]);
    await ledger.close();
    expect(await verifyLedger(directory.path, directory.key)).toMatchObject({ ok: true, records: 3 });
  });
});

describe('a disk that fails', () => {
  for (const [operation, code] of [
    ['sync', 'EIO'],
    ['sync', 'ENOSPC'],
    ['write', 'EIO'],
  ] as const) {
    it(`I2 is never trusted again by the same process: ${operation} says ${code}`, async () => {
      using directory = new LedgerDirectory();
      const disk = new FaultyDisk();
      const ledger = await directory.open({ openFile: disk.open });
      const acknowledged: number[] = [];
      await wave(ledger, 3, acknowledged);
      disk.fault = (asked, path) => (asked === operation && path.endsWith('.ndjson') ? code : undefined);
      const failure = { code: 'unavailable', reason: 'ledger-failed', message: expect.stringContaining('restart') };
      expect(await wave(ledger, 3, acknowledged)).toMatchObject([failure, failure, failure]);
      disk.fault = () => undefined;
      expect(await wave(ledger, 1, acknowledged)).toMatchObject([failure]);
      expect(await ledger.failed).toMatchObject(failure);
      await ledger.close();
      const next = await directory.open();
      expect(await issuedIn(next)).toEqual(expect.arrayContaining(acknowledged));
      await next.close();
      expect((await verifyLedger(directory.path, directory.key)).ok).toBe(true);
    });
  }

  it('ends the ledger when the head cannot be brought to the disk', async () => {
    using directory = new LedgerDirectory();
    const disk = new FaultyDisk();
    const ledger = await directory.open({ openFile: disk.open });
    expect(await wave(ledger, 1)).toEqual([]);
    disk.fault = (operation, path) => (operation === 'sync' && path.endsWith('head') ? 'EIO' : undefined);
    let failed = false;
    ledger.failed.then(() => {
      failed = true;
    });
    while (!failed) await directory.clock.advance(1_000);
    expect(await ledger.failed).toMatchObject({ code: 'unavailable' });
    await ledger.close();
  });
});
