import { Chain, type Problem } from './chain.ts';
import type { Head } from './head.ts';
import { frameOf, type Link, origin, type Seal } from './record.ts';
import { firstLine, linesOf, pieces, type Segment, segmentName } from './segment.ts';

/** The end of a ledger as found: its last segment, followed record by record. */
export interface Scan {
  readonly segment: Segment | undefined;
  /** When the segment was begun. */
  readonly begunAt: number;
  /** What the segment's first record follows. */
  readonly start: Link;
  /** The last record that is right, and where its line ends. */
  readonly end: Link;
  readonly length: number;
  /** Where the record that the head names ends. */
  readonly head: { readonly link: Link; readonly offset: number } | undefined;
  /** What is wrong behind the end, if anything stands there. */
  readonly problem: Problem | undefined;
  /** A file after the segment that has not even its first record. */
  readonly stillborn: Segment | undefined;
}

export async function scanEnd(segments: readonly Segment[], seal: Seal, head: Head): Promise<Scan> {
  const last = segments.at(-1);
  if (last === undefined) return emptyScan;
  const scan = await scanSegment(last, seal, head);
  if (scan !== undefined) return scan;
  const before = segments.at(-2);
  const previous = before === undefined ? emptyScan : ((await scanSegment(before, seal, head)) ?? emptyScan);
  return { ...previous, problem: previous.problem ?? firstRecordIsWrong(previous, last), stillborn: last };
}

const emptyScan: Scan = {
  segment: undefined,
  begunAt: 0,
  start: origin,
  end: origin,
  length: 0,
  head: { link: origin, offset: 0 },
  problem: undefined,
  stillborn: undefined,
};

const firstRecordIsWrong = ({ end }: Scan, { number }: Segment): Problem => ({
  seq: end.seq + 1,
  message: `the first record of ${segmentName(number)} was changed or is not whole`,
});

/** undefined: not even its first record is right. */
async function scanSegment(segment: Segment, seal: Seal, head: Head): Promise<Scan | undefined> {
  const header = await firstLine(segment.path);
  const frame = header && frameOf(header);
  if (header === undefined || frame === undefined || seal.of(frame.sealed) !== frame.seal) return undefined;
  const start = { seq: frame.seq - 1, hash: frame.prev };
  const { at } = JSON.parse(header.toString()) as { at: string };
  const followed = await follow(segment, start, seal, head);
  return { segment, begunAt: Date.parse(at), start, ...followed, stillborn: undefined };
}

async function follow(segment: Segment, start: Link, seal: Seal, { seq }: Head) {
  const chain = new Chain(start, seal);
  let length = 0;
  let head: Scan['head'] = start.seq === seq ? { link: start, offset: 0 } : undefined;
  for await (const { bytes, torn } of pieces(segment.path)) {
    const next = chain.end.seq + 1;
    if (torn) return { end: chain.end, length, head, problem: { seq: next, message: `record ${next} is not whole` } };
    for (const line of linesOf(bytes)) {
      const problem = chain.follow(line);
      if (problem !== undefined) return { end: chain.end, length, head, problem };
      length += line.length + 1;
      if (chain.end.seq === seq) head = { link: chain.end, offset: length };
    }
  }
  return { end: chain.end, length, head, problem: undefined };
}
