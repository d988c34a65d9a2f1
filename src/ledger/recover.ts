/**
 * What a ledger holds when it is opened. Every acknowledged record was durable before its answer, and the head follows
 * within a moment; so whatever the head seals must be there, unchanged. What comes after it was cut off by a crash:
 * whole records are kept (they may have been acknowledged), the unfinished rest was never acknowledged to anybody.
 */
import { IdentityError } from '../errors.ts';
import { storageError } from '../runtime/files.ts';
import type { DiskFile, OpenDiskFile } from './disk.ts';
import type { LedgerEvent } from './event.ts';
import { createHead, type Head, readHead } from './head.ts';
import { mend } from './mend.ts';
import { type Link, origin, type Seal } from './record.ts';
import { type Scan, scanEnd } from './scan.ts';
import { type Segment, segmentName, segmentsIn } from './segment.ts';
import type { Extent } from './tail.ts';

export interface Recovered {
  readonly end: Link;
  readonly extent: Extent;
  readonly file: DiskFile | undefined;
  /** What had to be put right, for the record. */
  readonly event: LedgerEvent | undefined;
}

/** Opens what is there, or begins anew where nothing is. Throws `data-loss`, touching nothing, where more is wrong. */
export async function recover(
  directory: string,
  seal: Seal,
  openFile: OpenDiskFile,
  mustExist: boolean,
): Promise<Recovered> {
  const segments = await segmentsIn(directory);
  const head = readHead(directory, seal) ?? begin(directory, seal, segments, mustExist);
  const scan = await scanEnd(segments, seal, head);
  const wrong = gap(segments) ?? contradiction(scan, head);
  if (wrong !== undefined) throw dataLoss(directory, wrong);
  const { end, segment, length, begunAt } = scan;
  const extent = { segment: segment?.number ?? 0, length, begunAt };
  try {
    return { end, extent, ...(await mend(directory, scan, head, openFile)) };
  } catch (error) {
    throw storageError(error, `cannot open the ledger in ${directory}`);
  }
}

function begin(directory: string, seal: Seal, segments: readonly Segment[], mustExist: boolean): Head {
  if (segments.length > 0) throw dataLoss(directory, 'the file `head` is missing');
  if (mustExist) throw dataLoss(directory, 'the whole ledger is missing');
  createHead(directory, seal);
  return { ...origin, state: 'open' };
}

function gap(segments: readonly Segment[]): string | undefined {
  const first = segments[0]?.number ?? 1;
  const index = segments.findIndex(({ number }, i) => number !== first + i);
  return index < 0 ? undefined : `the segment ${segmentName(first + index)} is missing`;
}

/** What no crash explains. */
function contradiction(scan: Scan, head: Head): string | undefined {
  const { start, end, problem, stillborn } = scan;
  const where = scan.segment === undefined ? '' : `${segmentName(scan.segment.number)}: `;
  if (head.seq > end.seq) {
    return where + (problem?.message ?? `records ${end.seq + 1} to ${head.seq} were cut off the end`);
  }
  const more = end.seq > head.seq || problem !== undefined || stillborn !== undefined;
  if (head.seq < start.seq || (head.state === 'closed' && more)) {
    return `the file \`head\` is an old copy: it ends the ledger with record ${head.seq}, and more follows`;
  }
  if (scan.head?.link.hash !== head.hash) return `${where}record ${head.seq} is not the one that the head seals`;
  return undefined;
}

const dataLoss = (directory: string, what: string): IdentityError =>
  new IdentityError(
    'data-loss',
    `the ledger in ${directory} is not what was written: ${what}. Look at it with \`mayfly ledger verify\`; restore ` +
      'the directory from a good copy, or move it away as evidence and begin a new ledger. Nothing was written to it',
    { reason: 'ledger-tampered' },
  );
