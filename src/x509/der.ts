/**
 * Strict DER (X.690 section 10), read by position. Nothing here recurses: `checkDer` walks with a stack of its own, and
 * `DerReader` goes only as deep as the schema that calls it.
 */
import { IdentityError } from '../errors.ts';

export const tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

export interface DerLimits {
  readonly bytes: number;
  readonly depth: number;
  readonly elements: number;
}

export const malformed = (detail: string): IdentityError =>
  new IdentityError('invalid-argument', `The data is not valid DER: ${detail}`, { reason: 'der' });

/** A cursor over elements that lie side by side. What it returns are views, not copies. */
export class DerReader {
  readonly #bytes: Buffer;
  #at: number;
  readonly #end: number;

  constructor(bytes: Buffer, at = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  get done(): boolean {
    return this.#at === this.#end;
  }

  /** The tag of the next element; undefined at the end. */
  get tag(): number | undefined {
    return this.done ? undefined : this.#bytes[this.#at];
  }

  /** The content of the next element. */
  content(expected: number): Buffer {
    const header = this.#next(expected);
    return this.#bytes.subarray(header.content, header.end);
  }

  /** The next element whole, with its header. */
  element(expected?: number): Buffer {
    const start = this.#at;
    return this.#bytes.subarray(start, this.#next(expected).end);
  }

  /** A reader over the content of the next element. */
  enter(expected: number): DerReader {
    const header = this.#next(expected);
    return new DerReader(this.#bytes, header.content, header.end);
  }

  /** Nothing may follow what the schema knows. */
  finish(): void {
    if (!this.done) throw malformed('an element is longer than its parts');
  }

  #next(expected: number | undefined): Header {
    const header = readHeader(this.#bytes, this.#at, this.#end);
    if (expected !== undefined && header.tag !== expected) throw malformed('an element has another type than expected');
    this.#at = header.end;
    return header;
  }
}

/** Walks everything once: one element, nothing after it, each within its parent, each in the one form DER allows. */
export function checkDer(bytes: Buffer, limits: DerLimits): void {
  if (bytes.length > limits.bytes) throw malformed(`more than ${limits.bytes} bytes`);
  const parents: number[] = [];
  let at = 0;
  for (let count = 0; at < bytes.length || count === 0; count++) {
    if (count === limits.elements) throw malformed(`more than ${limits.elements} elements`);
    if (count > 0 && parents.length === 0) throw malformed('bytes follow the end');
    const header = readHeader(bytes, at, parents.at(-1) ?? bytes.length);
    if ((header.tag & constructed) !== 0) {
      if (parents.length === limits.depth) throw malformed(`nested deeper than ${limits.depth}`);
      parents.push(header.end);
      at = header.content;
    } else {
      checkPrimitive(header.tag, bytes.subarray(header.content, header.end));
      at = header.end;
    }
    while (parents.at(-1) === at) parents.pop();
  }
}

/** The length of the element that begins at `at`, header included. */
export const elementLength = (bytes: Buffer, at: number): number => readHeader(bytes, at, bytes.length).end - at;

export function readBoolean(content: Buffer): boolean {
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff))
    throw malformed('a boolean is neither 00 nor FF');
  return content[0] === 0xff;
}

/** An INTEGER that fits 31 bits and is not negative. */
export function readSmallInteger(content: Buffer): number {
  checkInteger(content);
  if (content.length > 4 || ((content[0] ?? 0) & 0x80) !== 0) throw malformed('an integer is out of range');
  return content.readUIntBE(0, content.length);
}

/** The bits of a BIT STRING whose length is a whole number of bytes. */
export function readOctetBits(content: Buffer): Buffer {
  if (content[0] !== 0) throw malformed('a bit string is not whole bytes');
  return content.subarray(1);
}

const constructed = 0x20;
/** Far beyond any that is registered; turning one into text costs more than its length. */
const longestOid = 64;

interface Header {
  readonly tag: number;
  readonly content: number;
  readonly end: number;
}

function readHeader(bytes: Buffer, at: number, limit: number): Header {
  const first = bytes[at];
  const second = bytes[at + 1];
  if (first === undefined || second === undefined || at + 2 > limit) throw malformed('it is cut short');
  if ((first & 0x1f) === 0x1f) throw malformed('a tag has more than one byte');
  const universal = (first & 0xc0) === 0;
  const type = first | constructed;
  const mustBeConstructed = type === tag.sequence || type === tag.set;
  if (universal && ((first & constructed) !== 0) !== mustBeConstructed) throw malformed('a value comes in pieces');
  const content = at + 2 + (second < 0x80 ? 0 : second & 0x7f);
  const end = content + (second < 0x80 ? second : longLength(bytes, at + 2, second & 0x7f));
  if (end > limit) throw malformed('an element is longer than what holds it');
  return { tag: first, content, end };
}

/** The long form: as many bytes as needed and no more; never the indefinite length. */
function longLength(bytes: Buffer, at: number, size: number): number {
  if (size === 0 || size > 4 || at + size > bytes.length) throw malformed('a length is indefinite or too large');
  const length = bytes.readUIntBE(at, size);
  if (length < 0x80 || length < 2 ** (8 * (size - 1))) throw malformed('a length is not in its shortest form');
  return length;
}

function checkPrimitive(type: number, content: Buffer): void {
  if (type === tag.boolean) readBoolean(content);
  if (type === tag.integer) checkInteger(content);
  if (type === tag.bitString) checkBitString(content);
  if (type === tag.null && content.length !== 0) throw malformed('a null is not empty');
  if (type === tag.oid) checkOid(content);
  if (type === 0) throw malformed('a tag is zero');
}

function checkInteger(content: Buffer): void {
  const [first, second] = content;
  if (first === undefined) throw malformed('an integer is empty');
  if (second === undefined) return;
  const padded = (first === 0 && second < 0x80) || (first === 0xff && second >= 0x80);
  if (padded) throw malformed('an integer is not in its shortest form');
}

function checkBitString(content: Buffer): void {
  const [unused] = content;
  const last = content.at(-1) ?? 0;
  if (unused === undefined || unused > 7 || (content.length === 1 && unused > 0))
    throw malformed('a bit string is wrong');
  if (content.length > 1 && (last & ((1 << unused) - 1)) !== 0) throw malformed('unused bits are set');
}

/** Every arc ends, and none begins with a padding 0x80. */
export function checkOid(content: Buffer): void {
  let first = true;
  for (const byte of content) {
    if (first && byte === 0x80) throw malformed('an object identifier is padded');
    first = byte < 0x80;
  }
  if (content.length === 0 || !first) throw malformed('an object identifier is cut short');
  if (content.length > longestOid) throw malformed('an object identifier is too long');
}
