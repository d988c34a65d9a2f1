/** Puts right what a crash left behind the last whole record. Nothing that was sealed by the head is touched. */
import { chmod, open, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { failpoint } from '../runtime/failpoint.ts';
import { writeFileAtomic } from '../runtime/files.ts';
import { type DiskFile, type OpenDiskFile, syncDirectoryInPool } from './disk.ts';
import type { LedgerEvent } from './event.ts';
import type { Head } from './head.ts';
import type { Scan } from './scan.ts';
import type { Segment } from './segment.ts';

export async function mend(
  directory: string,
  scan: Scan,
  head: Head,
  openFile: OpenDiskFile,
): Promise<{ file: DiskFile | undefined; event: LedgerEvent | undefined }> {
  const { segment, stillborn, end } = scan;
  failpoint('ledger.mend');
  const keptAs = (of: Segment): string => `${basename(of.path)}.cut-${end.seq + 1}`;
  const kept: string[] = [];
  const keep = (of: Segment, bytes: Buffer): void => {
    // A line that breaks off is the common trace of a crash. More than that may interest somebody.
    if (bytes.includes(0x0a)) writeFileAtomic(join(directory, kept[kept.push(keptAs(of)) - 1] as string), bytes);
  };
  const dropped = stillborn === undefined ? 0 : await drop(directory, stillborn, keep);
  const { file, cut } =
    segment === undefined ? { file: undefined, cut: 0 } : await reopen(segment, openFile, scan, keep);
  const adopted = end.seq - head.seq;
  const cutBytes = dropped + cut;
  if (adopted === 0 && cutBytes === 0) return { file, event: undefined };
  const event = { kind: 'ledger.recovered' as const, headSeq: head.seq, adopted, cutBytes, keptAs: kept[0] };
  return { file, event };
}

type Keep = (of: Segment, bytes: Buffer) => void;

async function drop(directory: string, stillborn: Segment, keep: Keep): Promise<number> {
  const bytes = await readFile(stillborn.path);
  keep(stillborn, bytes);
  await rm(stillborn.path);
  failpoint('ledger.mend-dropped');
  await syncDirectoryInPool(directory);
  return bytes.length;
}

/** It may have been made read-only, when it already had a successor that was never born. */
async function reopen(
  segment: Segment,
  openFile: OpenDiskFile,
  scan: Scan,
  keep: Keep,
): Promise<{ file: DiskFile; cut: number }> {
  await chmod(segment.path, 0o600);
  const file = await openFile(segment.path, false);
  try {
    return { file, cut: await settle(segment, file, scan, keep) };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * Cuts what follows the last whole record, and writes the whole records after the head once more: if their fsync had
 * failed in the process before, Linux would show them to us from memory and never bring them to the disk.
 */
async function settle(segment: Segment, file: DiskFile, { length, head }: Scan, keep: Keep): Promise<number> {
  const from = head?.offset ?? length;
  const bytes = await readFrom(segment.path, from);
  const [whole, rest] = [bytes.subarray(0, length - from), bytes.subarray(length - from)];
  if (bytes.length === 0) return 0;
  keep(segment, rest);
  if (rest.length > 0) await file.truncate(length);
  failpoint('ledger.mend-truncated');
  await file.write(whole, from);
  failpoint('ledger.mend-written');
  await file.sync();
  return rest.length;
}

async function readFrom(path: string, position: number): Promise<Buffer> {
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  const bytes = Buffer.alloc(size - position);
  const { bytesRead } = await file.read(bytes, 0, bytes.length, position);
  return bytes.subarray(0, bytesRead);
}
