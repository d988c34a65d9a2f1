import type { Problem } from './chain.ts';
import type { LedgerOwnEvent } from './event.ts';
import { frameOf, isOfKind, type Link, origin, type Seal } from './record.ts';
import { pieces, type Segment, segmentName } from './segment.ts';

export type ArchivedEvent = Extract<LedgerOwnEvent, { kind: 'ledger.archived' }>;

/**
 * What the oldest segment must follow. The first one follows nothing; where segments are missing before it, a record
 * further on says that they were archived, and how the last of them ended. Without that record they were removed.
 */
export async function anchorOf(segments: readonly Segment[], seal: Seal | undefined): Promise<Link | Problem> {
  const missing = (segments[0]?.number ?? 1) - 1;
  if (missing === 0) return origin;
  let proven: ArchivedEvent | undefined;
  for await (const archived of archivedIn(segments, seal)) {
    if (archived.segment === missing) return { seq: archived.lastSeq, hash: archived.lastHash };
    if (archived.segment < missing && archived.segment > (proven?.segment ?? 0)) proven = archived;
  }
  const seq = (proven?.lastSeq ?? 0) + 1;
  return { seq, message: `record ${seq} was removed: ${segmentName(missing)} is missing and was never archived` };
}

async function* archivedIn(
  segments: readonly Segment[],
  seal: Seal | undefined,
): AsyncGenerator<ArchivedEvent, void, undefined> {
  for (const { path } of segments) {
    for await (const { bytes } of pieces(path)) {
      for (let at = bytes.indexOf(needle); at >= 0; at = bytes.indexOf(needle, at + 1)) {
        const line = bytes.subarray(bytes.lastIndexOf(0x0a, at) + 1, bytes.indexOf(0x0a, at));
        const archived = archivedBy(line, seal);
        if (archived !== undefined) yield archived;
      }
    }
  }
}

const needle = '"kind":"ledger.archived"';

/** Without the seal's key anybody may have written it: then it is only what reads like one. */
function archivedBy(line: Buffer, seal: Seal | undefined): ArchivedEvent | undefined {
  const frame = frameOf(line);
  if (frame === undefined || !isOfKind(line, 'ledger.archived')) return undefined;
  if (seal !== undefined) return seal.of(frame.sealed) === frame.seal ? JSON.parse(line.toString()) : undefined;
  const read = parsed(line.toString());
  const whole = Number.isSafeInteger(read?.segment) && Number.isSafeInteger(read?.lastSeq);
  return whole && typeof read?.lastHash === 'string' ? (read as ArchivedEvent) : undefined;
}

function parsed(text: string): Partial<ArchivedEvent> | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
