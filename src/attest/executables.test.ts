import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../test/fakes/eventually.ts';
import { FileHasher } from '../runtime/file-hash.ts';
import { inspectProcess, type PeerProcess } from '../runtime/peer.ts';
import { ExecutableHashes, type Hasher } from './executables.ts';

let home: string;
const children: ChildProcess[] = [];
const looked: PeerProcess[] = [];
beforeAll(() => {
  home = mkdtempSync('/run/mayfly-hash-');
  chmodSync(home, 0o755);
});
afterEach(() => {
  for (const process of looked.splice(0)) process.close();
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(() => rmSync(home, { recursive: true }));

const hashOf = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function run(program: string, args: readonly string[] = ['5'], uid = 0): Promise<PeerProcess> {
  const child = spawn(program, args, { uid, gid: uid, stdio: ['pipe', 'ignore', 'ignore'] });
  children.push(child);
  for (const target = () => readlinkSync(`/proc/${child.pid}/exe`); target() !== program; ) await pause(2);
  const process = inspectProcess(child.pid ?? 0);
  looked.push(process);
  return process;
}

/** Larger than it needs to be, without taking room on the disk. */
function program(name: string, size?: number): string {
  const path = join(home, name);
  copyFileSync('/bin/sleep', path);
  if (size !== undefined) truncateSync(path, size);
  return path;
}

/** Threads that hash have descriptors of their own, and are there from the first time on. */
async function descriptorsWithBothThreads(hashes: ExecutableHashes): Promise<number> {
  const before = looked.length;
  const both = [10_001, 10_002].map((uid) => run(program(`large-of-${uid}`, 24 * 2 ** 20), ['5'], uid));
  await Promise.all((await Promise.all(both)).map((process) => hashes.of(process)));
  for (const process of looked.splice(before)) process.close();
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await pause(50);
  return readdirSync('/proc/self/fd').length;
}

describe('the hash of an executable', () => {
  it('R-PEER-7 is not that of a file which was there before, though size and mtime were made the same', async () => {
    const hashes = new ExecutableHashes(2 ** 30);
    const path = program('swapped', statSync('/bin/sleep').size + 1);
    await pause(1_100);
    const before = await hashes.of(await run(path));
    expect(before).toBe(hashOf(path));
    for (const child of children.splice(0)) child.kill('SIGKILL');
    const { atime, mtime } = statSync(path);
    await pause(50);
    const bytes = readFileSync(path);
    bytes.writeUInt8(1, bytes.length - 1);
    writeFileSync(path, bytes);
    utimesSync(path, atime, mtime);
    const after = await hashes.of(await run(path));
    expect(after).toBe(hashOf(path));
    expect(after).not.toBe(before);
  });

  it('R-PEER-2 is never that of a program which the process has become since', async () => {
    const hashes = new ExecutableHashes(2 ** 30);
    const heir = await run('/usr/bin/perl', ['-e', '<STDIN>; exec "/bin/sleep", "5"']);
    children.at(-1)?.stdin?.write('\n');
    while (heir.sameness() === 'same') await pause(5);
    await expect(hashes.of(heir)).rejects.toMatchObject({ reason: 'peer-changed' });
    expect(await hashes.of(await run('/usr/bin/perl', ['-e', 'sleep 5']))).toBe(hashOf('/usr/bin/perl'));
  });

  it('R-PEER-7 is not taken of a file over the limit, however little of it is on the disk', async () => {
    expect(await new ExecutableHashes(2 ** 20).of(await run(program('vast', 10 * 2 ** 30)))).toBeUndefined();
  });

  it('R-PEER-7 of 500 processes with an executable of their own each is its own, and no descriptor is left', async () => {
    const hashes = new ExecutableHashes(2 ** 30);
    const before = await descriptorsWithBothThreads(hashes);
    const size = statSync('/bin/sleep').size;
    for (let batch = 0; batch < 500; batch += 10) {
      const paths = Array.from({ length: 10 }, (_, n) => program(`own-${batch + n}`, size + 1 + batch + n));
      const found = await Promise.all(
        paths.map(async (path, n) => {
          const process = await run(path, ['60'], 11_000 + (n % 3));
          return hashes.of(process).finally(() => process.close());
        }),
      );
      expect(found).toEqual(paths.map(hashOf));
      looked.length = 0;
      for (const child of children.splice(0)) child.kill('SIGKILL');
    }
    await eventually('they are closed', () => readdirSync('/proc/self/fd').length <= before);
  }, 60_000);

  it('R-PEER-7 is there for others while the file of one cannot be read to its end, and later for that one too', async () => {
    const stuck: (() => void)[] = [];
    const real = new FileHasher();
    const newHasher = (): Hasher => ({
      sha256: async (fd, size) => {
        if (size > 2 ** 20) await new Promise<void>((_, reject) => stuck.push(() => reject(new Error('given up'))));
        return real.sha256(fd, size);
      },
      abandon: () => undefined,
    });
    const hashes = new ExecutableHashes(2 ** 30, { newHasher, giveUpMs: 2_000 });
    const hanging = await run(program('hanging', 2 ** 21), ['30'], 10_001);
    const slow = hashes.of(hanging);
    const path = program('prompt');
    expect(await hashes.of(await run(path, ['30'], 10_002))).toBe(hashOf(path));
    expect(await slow).toBeUndefined();
    expect(await hashes.of(await run(program('afterwards'), ['30'], 10_001))).toBe(hashOf(path));
    // As many threads as may be lost: then none is risked any more, until they come back.
    for (let lost = 1; lost < 8; lost++) expect(await hashes.of(hanging)).toBeUndefined();
    expect(await hashes.of(await run(program('refused', statSync(path).size + 1), ['30'], 10_002))).toBeUndefined();
    for (const back of stuck) back();
    await pause(5);
    expect(await hashes.of(await run(program('again'), ['30'], 10_002))).toBe(hashOf(path));
  });

  it('R-PEER-7 R-RES-1 is there soon for one user while another has ordered many, and leaves no descriptor', async () => {
    const hashes = new ExecutableHashes(2 ** 30);
    const before = await descriptorsWithBothThreads(hashes);
    const many = await Promise.all(
      Array.from({ length: 12 }, (_, n) => run(program(`large-${n}`, 24 * 2 ** 20), ['5'], 10_001)),
    );
    const small = await run(program('small'), ['5'], 10_002);
    const order: string[] = [];
    const ordered = many.map((process) => hashes.of(process).then(() => order.push('large')));
    await hashes.of(small).then(() => order.push('small'));
    expect(order.length).toBeLessThanOrEqual(3);
    await Promise.all(ordered);
    for (const process of looked.splice(0)) process.close();
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await eventually('they are closed', () => readdirSync('/proc/self/fd').length <= before);
  });
});
