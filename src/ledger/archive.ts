import { mkdir } from 'node:fs/promises';
import { dirname, resolve, sep } from 'node:path';
import { IdentityError } from '../errors.ts';
import { failpoint } from '../runtime/failpoint.ts';
import { storageError } from '../runtime/files.ts';
import type { ArchivedEvent } from './anchor.ts';
import { Chain } from './chain.ts';
import { syncDirectoryInPool } from './disk.ts';
import type { LedgerEvent } from './event.ts';
import { moveFile, removeFile } from './move.ts';
import { frameOf, type Link, type Seal } from './record.ts';
import { firstLine, lastLine, linesOf, pieces, type Segment, segmentAt, segmentName, segmentsIn } from './segment.ts';

export interface ArchiveParts {
  readonly directory: string;
  readonly seal: Seal;
  /** The segment that grows, and every one after it, stays. */
  readonly growing: number;
  append(event: LedgerEvent): Promise<Link>;
}

/**
 * Takes out the sealed segments whose last record is older than `before`, the oldest first. Each one is followed once
 * more before it leaves (nobody could afterwards), and its end is on record before it is gone: so `verify` still proves
 * the rest, and that nothing else is missing.
 */
export async function archiveSegments(
  parts: ArchiveParts,
  before: number,
  destination: string | undefined,
): Promise<{ segments: number; records: number }> {
  if (destination !== undefined) await makeDestination(destination, parts.directory);
  const done = { segments: 0, records: 0 };
  for (const segment of await segmentsIn(parts.directory)) {
    if (segment.number >= parts.growing || (await lastWrittenAt(segment)) >= before) break;
    const event = await describe(segment, parts, destination);
    await parts.append(event);
    failpoint('ledger.archive-recorded');
    await (destination === undefined ? removeFile(segment.path) : moveFile(segment.path, destination));
    done.segments++;
    done.records += event.lastSeq - event.firstSeq + 1;
  }
  return done;
}

export async function lastWrittenAt({ path }: Segment): Promise<number> {
  const line = await lastLine(path);
  return (
    Date.parse(/"at":"([^"]+)"/.exec(line?.toString('latin1', 0, 64) ?? '')?.[1] ?? '') || Number.POSITIVE_INFINITY
  );
}

async function makeDestination(destination: string, directory: string): Promise<void> {
  if (`${resolve(destination)}${sep}`.startsWith(`${resolve(directory)}${sep}`)) {
    throw new IdentityError('invalid-argument', 'the archive cannot be inside the ledger: name another directory');
  }
  try {
    const path = resolve(destination);
    const first = (await mkdir(path, { recursive: true, mode: 0o700 })) ?? path;
    // Each is an entry of the one above it. Without that on disk, a power cut would take what is archived along.
    for (let made = path; ; made = dirname(made)) {
      await syncDirectoryInPool(dirname(made));
      if (made === first || made === dirname(made)) return;
    }
  } catch (error) {
    throw storageError(error, `cannot create the archive directory ${destination}`);
  }
}

/** The record of a segment's leaving. Throws where the segment, or its link to the next one, is not what was written. */
async function describe(
  segment: Segment,
  { directory, seal }: ArchiveParts,
  destination: string | undefined,
): Promise<ArchivedEvent> {
  const header = await firstLine(segment.path);
  const frame = header && frameOf(header);
  if (frame === undefined) throw damaged(segment, 'its first line is not a record');
  const chain = new Chain({ seq: frame.seq - 1, hash: frame.prev }, seal);
  for await (const { bytes, torn } of pieces(segment.path)) {
    if (torn) throw damaged(segment, `record ${chain.end.seq + 1} is not whole`);
    for (const line of linesOf(bytes)) {
      const problem = chain.follow(line);
      if (problem !== undefined) throw damaged(segment, problem.message);
    }
  }
  const next = await firstLine(segmentAt(directory, segment.number + 1).path);
  if (!next || frameOf(next)?.prev !== chain.end.hash) throw damaged(segment, 'the next one does not follow it');
  const { seq: lastSeq, hash: lastHash } = chain.end;
  return {
    kind: 'ledger.archived',
    segment: segment.number,
    firstSeq: frame.seq,
    lastSeq,
    lastHash,
    directory: destination,
  };
}

const damaged = ({ number }: Segment, what: string): IdentityError =>
  new IdentityError(
    'data-loss',
    `the ledger segment ${segmentName(number)} is not archived, because it is not what was written: ${what}. ` +
      '`mayfly ledger verify` says more',
  );
