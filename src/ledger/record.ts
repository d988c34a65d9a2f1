/**
 * One record, one line: `{"seq":7,"at":"2026-11-23T12:00:00.000Z","kind":…,"prev":"…","seal":"…"}`. `prev` is the
 * SHA-256 of the line before (`sed -n 6p 000001.ndjson | tr -d '\n' | sha256sum`): whoever has the files can follow the
 * chain. `seal` is an HMAC over the line up to it: whoever rewrites the chain from some record on cannot write that.
 */
import { createHmac, createSecretKey, hash, type KeyObject } from 'node:crypto';
import { IdentityError } from '../errors.ts';
import { printableJson } from '../runtime/printable.ts';
import type { LedgerEvent } from './event.ts';

/** A place in the chain: a record's number and its line's hash. */
export interface Link {
  readonly seq: number;
  readonly hash: string;
}

/** What the first record follows. */
export const origin: Link = { seq: 0, hash: '0'.repeat(64) };

/** The largest line, its newline included: an entry with a thousand selectors, before and after, is a tenth of it. */
export const maxLineBytes = 1 << 20;

export class Seal {
  readonly #key: KeyObject;

  constructor(key: Buffer) {
    if (key.length !== 32) throw new TypeError('the key that seals the ledger has 32 bytes');
    this.#key = createSecretKey(key);
  }

  of(text: string | Buffer): string {
    return createHmac('sha256', this.#key).update(text).digest('hex');
  }
}

export const hashOf = (line: string | Buffer): string => hash('sha256', line);

/** The line, without its newline, that records `event` after `before`. */
export function recordLine(event: LedgerEvent, at: number, before: Link, seal: Seal): string {
  const text = `{"seq":${before.seq + 1},"at":"${timestamp(at)}",${membersOf(event)},"prev":"${before.hash}"`;
  if (text.length > maxLineBytes / 4) {
    throw new IdentityError('invalid-argument', `a ledger record is at most ${maxLineBytes / 4} characters long`);
  }
  return `${text},"seal":"${seal.of(text)}"}`;
}

/** What a line says of its own place, read without parsing it. */
export interface Frame {
  readonly seq: number;
  readonly prev: string;
  readonly seal: string;
  /** What the seal covers. */
  readonly sealed: Buffer;
}

const opening = '{"seq":';
const sealLength = ',"seal":""}'.length + 64;
const prevLength = ',"prev":""'.length + 64;

/** undefined: this was never a record. */
export function frameOf(line: Buffer): Frame | undefined {
  const end = line.length - sealLength;
  const comma = line.indexOf(',', opening.length);
  if (comma < 0 || end - prevLength < comma) return undefined;
  const seq = line.toString('latin1', 0, comma);
  const tail = tailShape.exec(line.toString('latin1', end - prevLength));
  if (!seqShape.test(seq) || tail === null) return undefined;
  const [, prev = '', seal = ''] = tail;
  return { seq: Number(seq.slice(opening.length)), prev, seal, sealed: line.subarray(0, end) };
}

const seqShape = /^\{"seq":[1-9]\d{0,15}$/;
const tailShape = /^,"prev":"([0-9a-f]{64})","seal":"([0-9a-f]{64})"\}$/;

/** The first bytes of a record's event: its kind always comes first. */
export function isOfKind(line: Buffer, kind: LedgerEvent['kind']): boolean {
  const at = line.indexOf('"kind":');
  return at >= 0 && at < 64 && line.toString('latin1', at + 8, at + 9 + kind.length) === `${kind}"`;
}

let lastAt = Number.NaN;
let lastTimestamp = '';

/** RFC 3339 in milliseconds. Records come by the thousand within one: the text is kept. */
function timestamp(at: number): string {
  if (at !== lastAt) {
    lastTimestamp = new Date(at).toISOString();
    lastAt = at;
  }
  return lastTimestamp;
}

/** A value as it stands in a line. */
export const jsonText = (value: unknown): string => printableJson(JSON.stringify(value));

function membersOf(event: LedgerEvent): string {
  const json = jsonText(event);
  return (json.startsWith('{"kind":') ? json : jsonText(Object.assign({ kind: event.kind }, event))).slice(1, -1);
}
