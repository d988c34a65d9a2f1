/**
 * What /proc/PID/status and /proc/PID/stat say, as bytes. The kernel writes them, but a process chooses its own name in
 * both; whatever does not read as expected is doubt, and doubt means no identity.
 */
import { IdentityError } from '../errors.ts';

/** The ids of a running process: effective ones, as the kernel uses them. */
export interface ProcessIds {
  readonly uid: number;
  readonly gid: number;
  readonly supplementaryGids: readonly number[];
}

/** From `status`: the lines Uid, Gid and Groups. FDSize stands between them and grows with the files that are open. */
export function findIdLines(text: Buffer): Buffer {
  const start = text.indexOf('\nUid:');
  const size = text.indexOf('\nFDSize:', start);
  const groups = text.indexOf('\nGroups:', size);
  const end = text.indexOf('\n', groups + 1);
  if (start < 0 || size < 0 || groups < 0 || end < 0) throw unreadable();
  return Buffer.concat([text.subarray(start, size), text.subarray(groups, end)]);
}

/** From `status`: does a debugger hold it (ptrace)? A kernel that does not say so is doubt. */
export const isTraced = (text: Buffer): boolean => !text.includes(notTraced);

const notTraced = Buffer.from('\nTracerPid:\t0\n');

/** Columns are real, effective, saved, file system: the effective one decides, as in SPIRE. */
export function parseIds(lines: Buffer): ProcessIds {
  const [uid, gid] = [numbersOf(lines, 'Uid')[1], numbersOf(lines, 'Gid')[1]];
  if (uid === undefined || gid === undefined) throw unreadable();
  return { uid, gid, supplementaryGids: numbersOf(lines, 'Groups') };
}

/** Field 22 of `stat`, counted after the last ')': the command's name before it is the process's own fiction. */
export function parseStartTime(text: Buffer): bigint {
  const fields = text.toString('latin1', text.lastIndexOf(')') + 2).split(' ');
  const ticks = fields[19] ?? '';
  if (!/^\d{1,20}$/.test(ticks)) throw unreadable();
  return BigInt(ticks);
}

function numbersOf(lines: Buffer, name: string): readonly number[] {
  const line = new RegExp(`^${name}:(.*)$`, 'm').exec(lines.toString('latin1'))?.[1] ?? '';
  const numbers = line.split(/[ \t]+/).filter(Boolean);
  if (!numbers.every((number) => /^\d{1,10}$/.test(number))) throw unreadable();
  return numbers.map(Number);
}

const unreadable = (): IdentityError =>
  new IdentityError('permission-denied', 'no identity issued', { reason: 'peer-gone' });
