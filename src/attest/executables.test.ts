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
import { inspectProcess, type PeerProcess } from '../runtime/peer.ts';
import { ExecutableHashes } from './executables.ts';

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

  it('R-PEER-7 R-RES-1 is there soon for one user while another has ordered many, and leaves no descriptor', async () => {
    const hashes = new ExecutableHashes(2 ** 30);
    const many = await Promise.all(
      Array.from({ length: 12 }, (_, n) => run(program(`large-${n}`, 24 * 2 ** 20), ['5'], 10_001)),
    );
    // The thread that hashes has descriptors of its own, and is there from the first time on.
    await hashes.of(await run('/usr/bin/perl', ['-e', 'sleep 5']));
    const small = await run(program('small'), ['5'], 10_002);
    const before = readdirSync('/proc/self/fd').length;
    const order: string[] = [];
    const ordered = many.map((process) => hashes.of(process).then(() => order.push('large')));
    await hashes.of(small).then(() => order.push('small'));
    expect(order.length).toBeLessThanOrEqual(3);
    await Promise.all(ordered);
    expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(before);
  });
});
