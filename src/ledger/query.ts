import { IdentityError } from '../errors.ts';
import type { LedgerEvent } from './event.ts';
import { frameOf, hashOf, jsonText, type Seal } from './record.ts';
import { firstLine, type Piece, pieces, piecesBackwards, type Segment, segmentsIn } from './segment.ts';

/** Records that fit everything that is given. */
export interface LedgerFilter {
  readonly spiffeId?: string | undefined;
  /** A person: as the owner of what a record is about, or as what it is about. */
  readonly owner?: string | undefined;
  readonly pid?: number | undefined;
  /** Hexadecimal, in either case, with or without colons. */
  readonly serial?: string | undefined;
  readonly jti?: string | undefined;
  /** The id of an exchange, as it stands in the session's name at the relying party. */
  readonly exchange?: string | undefined;
  /** The id of an authority: what became of it, and what it signed. */
  readonly authority?: string | undefined;
  /** Written at that moment or later, milliseconds since the epoch. */
  readonly since?: number | undefined;
  readonly kind?: string | undefined;
  readonly seq?: number | undefined;
  /** The newest so many; absent or 0: all. */
  readonly limit?: number | undefined;
}

export interface StoredRecord {
  readonly seq: number;
  readonly at: number;
  readonly event: LedgerEvent;
  readonly hash: string;
  /** The whole record as it was written. */
  readonly json: string;
}

/** Streams the records that fit, the oldest first. Each one's seal is checked: a forged record is not shown as true. */
export async function* queryRecords(
  directory: string,
  seal: Seal,
  filter: LedgerFilter,
  lastSeq: number,
): AsyncGenerator<StoredRecord, void, undefined> {
  const test = compile(filter, lastSeq);
  const segments = await segmentsWith(filter.seq, directory);
  const start = filter.limit ? await startOfNewest(filter.limit, segments, test) : { index: 0, offset: 0 };
  for (const [index, { path }] of segments.entries()) {
    if (index < start.index) continue;
    for await (const piece of pieces(path, index === start.index ? start.offset : 0)) {
      for (const { line } of hits(piece, test)) yield stored(line, seal);
    }
  }
}

type Json = Readonly<Record<string, unknown>>;

interface Test {
  /** Bytes that every fitting line has: a line without them is not even looked at. */
  readonly needle: string | undefined;
  fits(line: Buffer): boolean;
}

function compile(filter: LedgerFilter, lastSeq: number): Test {
  const { spiffeId, owner, pid, jti, exchange, authority, kind, seq } = filter;
  const serial = filter.serial && plainSerial(filter.serial);
  const since = filter.since === undefined ? '' : new Date(filter.since).toISOString();
  const fits = (record: Json): boolean =>
    Number(record['seq']) <= lastSeq &&
    (seq === undefined || record['seq'] === seq) &&
    (jti === undefined || record['jti'] === jti) &&
    (exchange === undefined || record['exchange'] === exchange) &&
    (authority === undefined || record['authority'] === authority) &&
    (serial === undefined || plainSerial(String(record['serial'])) === serial) &&
    (pid === undefined || record['pid'] === pid) &&
    (kind === undefined || record['kind'] === kind) &&
    (spiffeId === undefined || mentions(record, ['spiffeId'], spiffeId)) &&
    (owner === undefined || mentions(record, ['owner', 'person'], owner));
  return { needle: needleOf({ ...filter, serial }), fits: (line) => writtenAt(line) >= since && fits(parse(line)) };
}

/** The rarest there is. */
function needleOf({
  seq,
  exchange,
  jti,
  serial,
  pid,
  authority,
  spiffeId,
  owner,
  kind,
}: LedgerFilter): string | undefined {
  if (seq !== undefined) return `{"seq":${seq},`;
  if (exchange !== undefined) return `"exchange":${jsonText(exchange)}`;
  if (jti !== undefined) return `"jti":${jsonText(jti)}`;
  if (serial !== undefined) return `${serial}"`;
  if (pid !== undefined) return `"pid":${pid}`;
  if (authority !== undefined) return `"authority":${jsonText(authority)}`;
  if (spiffeId !== undefined) return `"spiffeId":${jsonText(spiffeId)}`;
  if (owner !== undefined) return jsonText(owner);
  return kind === undefined ? undefined : `"kind":${jsonText(kind)}`;
}

/** As programs print it: with colons or capitals, with a zero in front or without. Ours are lower-case hexadecimal. */
const plainSerial = (serial: string): string =>
  serial
    .replaceAll(':', '')
    .toLowerCase()
    .replace(/^0+(?=.)/, '');

/** Does a member of that name have that value, here or further in (an entry before and after its change)? */
function mentions(value: unknown, names: readonly string[], wanted: string): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(
    ([name, member]) => (member === wanted && names.includes(name)) || mentions(member, names, wanted),
  );
}

/** Only the segment that has record `seq`; all of them where none is asked for. */
async function segmentsWith(seq: number | undefined, directory: string): Promise<readonly Segment[]> {
  const segments = await segmentsIn(directory);
  if (seq === undefined) return segments;
  for (const segment of segments.toReversed()) {
    const first = await firstLine(segment.path);
    if (((first && frameOf(first)?.seq) ?? Number.POSITIVE_INFINITY) <= seq) return [segment];
  }
  return [];
}

/** Where the newest `limit` hits begin, found from the end, so that the way there is the only thing read twice. */
async function startOfNewest(
  limit: number,
  segments: readonly Segment[],
  test: Test,
): Promise<{ index: number; offset: number }> {
  let left = limit;
  for (let index = segments.length - 1; index >= 0; index--) {
    for await (const piece of piecesBackwards((segments[index] as Segment).path)) {
      const offsets = Array.from(hits(piece, test), ({ offset }) => offset);
      if (offsets.length >= left) return { index, offset: offsets[offsets.length - left] as number };
      left -= offsets.length;
    }
  }
  return { index: 0, offset: 0 };
}

function* hits(piece: Piece, test: Test): Generator<{ line: Buffer; offset: number }, void, undefined> {
  if (piece.torn) return;
  const { bytes } = piece;
  for (let at = 0; at < bytes.length; ) {
    const found = test.needle === undefined ? at : bytes.indexOf(test.needle, at);
    if (found < 0) return;
    const start = found === at ? at : bytes.lastIndexOf(0x0a, found) + 1;
    const end = bytes.indexOf(0x0a, found);
    const line = bytes.subarray(start, end);
    at = end + 1;
    if (test.fits(line)) yield { line, offset: piece.offset + start };
  }
}

/** RFC 3339 in UTC and always of one length: it compares as text. */
function writtenAt(line: Buffer): string {
  const at = line.indexOf('"at":"') + 6;
  return line.toString('latin1', at, at + 24);
}

function parse(line: Buffer): Json {
  try {
    return JSON.parse(line.toString()) as Json;
  } catch (cause) {
    throw tampered('a line', cause);
  }
}

function stored(line: Buffer, seal: Seal): StoredRecord {
  const frame = frameOf(line);
  const { seq, at, prev, seal: _, ...event } = parse(line);
  if (frame === undefined || seal.of(frame.sealed) !== frame.seal) throw tampered(`record ${seq}`);
  void prev;
  return {
    seq: frame.seq,
    at: Date.parse(String(at)),
    event: event as LedgerEvent,
    hash: hashOf(line),
    json: line.toString(),
  };
}

const tampered = (what: string, cause?: unknown): IdentityError =>
  new IdentityError('data-loss', `${what} of the ledger was changed: \`mayfly ledger verify\` says what else`, {
    cause,
  });
