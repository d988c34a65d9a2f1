/** A ledger is a directory of segments, `000001.ndjson` and on. Only the last one grows. */
import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { IdentityError } from '../errors.ts';
import { storageError } from '../runtime/files.ts';
import { maxLineBytes } from './record.ts';

export interface Segment {
  readonly number: number;
  readonly path: string;
}

export const segmentName = (number: number): string => `${String(number).padStart(6, '0')}.ndjson`;

export const segmentAt = (directory: string, number: number): Segment => ({
  number,
  path: join(directory, segmentName(number)),
});

/** In order. Files of other names are not ours to judge. */
export async function segmentsIn(directory: string): Promise<Segment[]> {
  const names = await readdir(directory).catch((error) => {
    throw storageError(error, `cannot read the ledger in ${directory}`);
  });
  const numbers = names.filter((name) => /^\d{6,}\.ndjson$/.test(name)).map((name) => Number.parseInt(name, 10));
  return numbers.sort((a, b) => a - b).map((number) => segmentAt(directory, number));
}

/** Whole lines that stand together in a file. */
export interface Piece {
  /** Ends with a newline, unless it is the torn rest of the file. */
  readonly bytes: Buffer;
  readonly offset: number;
  /** No newline at its end: an unfinished write, or a line longer than any record. Nothing comes after it. */
  readonly torn: boolean;
}

/** A millisecond's worth of checking: between two pieces, others have their turn. */
const pieceBytes = 256 * 1024;

/** The file, as long as it is now, in pieces of whole lines, from `start` (the beginning of a line) on. */
export async function* pieces(path: string, start = 0): AsyncGenerator<Piece, void, undefined> {
  await using file = await openForReading(path);
  const { size } = await file.stat();
  let rest: Buffer = Buffer.alloc(0);
  let offset = start;
  while (offset + rest.length < size && rest.length <= maxLineBytes) {
    const position = offset + rest.length;
    const read = await readAt(file, position, Math.min(pieceBytes, size - position));
    if (read.length === 0) break;
    const bytes = rest.length === 0 ? read : Buffer.concat([rest, read]);
    const whole = bytes.lastIndexOf(0x0a) + 1;
    if (whole > 0) yield { bytes: bytes.subarray(0, whole), offset, torn: false };
    rest = bytes.subarray(whole);
    offset += whole;
  }
  if (rest.length > 0) yield { bytes: rest, offset, torn: true };
}

/** The file in pieces of whole lines, the last first. A torn rest is left out. */
export async function* piecesBackwards(path: string): AsyncGenerator<Piece, void, undefined> {
  await using file = await openForReading(path);
  let end = (await file.stat()).size;
  let want = pieceBytes;
  while (end > 0) {
    const from = Math.max(end - want, 0);
    const read = await readAt(file, from, end - from);
    const first = from === 0 ? 0 : read.indexOf(0x0a) + 1;
    const last = read.lastIndexOf(0x0a) + 1;
    if (first < last) yield { bytes: read.subarray(first, last), offset: from + first, torn: false };
    if (from === 0) return;
    // No whole line in it: look further back; else go on before what was given.
    if (first < last) [end, want] = [from + first, pieceBytes];
    else if (want > 2 * maxLineBytes) return;
    else want *= 2;
  }
}

/** The lines of a piece, without their newlines. */
export function* linesOf(bytes: Buffer): Generator<Buffer, void, undefined> {
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0x0a, start);
    if (end < 0) return;
    yield bytes.subarray(start, end);
    start = end + 1;
  }
}

export async function firstLine(path: string): Promise<Buffer | undefined> {
  for await (const { bytes, torn } of pieces(path)) return torn ? undefined : linesOf(bytes).next().value || undefined;
  return undefined;
}

export async function lastLine(path: string): Promise<Buffer | undefined> {
  for await (const { bytes } of piecesBackwards(path)) {
    const end = bytes.length - 1;
    return bytes.subarray(bytes.lastIndexOf(0x0a, end - 1) + 1, end);
  }
  return undefined;
}

async function openForReading(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ENOENT'
      ? goneMeanwhile(path)
      : storageError(error, `cannot read ${path}`);
  }
}

const goneMeanwhile = (path: string): IdentityError =>
  new IdentityError('unavailable', `${path} was archived while the ledger was being read: ask again`);

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
