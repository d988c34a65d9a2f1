/**
 * A strict JSON reader (RFC 8259) for what strangers send: bytes must be UTF-8, no member twice, a cap on depth, no
 * number that cannot be kept. `JSON.parse` keeps the last of two members, so two readers could see two documents.
 */
import { IdentityError } from '../errors.ts';

export type Json = null | boolean | number | bigint | string | readonly Json[] | JsonObject;
export type JsonObject = { readonly [member: string]: Json };

export type JsonReason =
  | 'json-too-large'
  | 'json-encoding'
  | 'json-syntax'
  | 'json-duplicate-member'
  | 'json-too-deep'
  | 'json-number';

export interface JsonOptions {
  /** Arrays and objects within each other. Reading goes as deep as this on the stack, and no deeper. */
  readonly depth?: number;
  /** Integers that a double would round come back as bigint; otherwise they are rounded, as everywhere. */
  readonly bigIntegers?: boolean;
}

const defaultDepth = 16;
/** A bundle of a thousand authorities has one. */
const longestDocument = 4 * 1024 * 1024;
/** 2^64 has 20 digits. */
const longestNumber = 40;

export function parseJson(document: Uint8Array | string, options: JsonOptions = {}): Json {
  if (document.length > longestDocument) throw refusal('json-too-large', `it has more than ${longestDocument} bytes`);
  const text = typeof document === 'string' ? document : decodeUtf8(document);
  return new Reader(text, options.bigIntegers ?? false).document(options.depth ?? defaultDepth);
}

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `Array.isArray` does not narrow readonly arrays. */
export const isArray = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw refusal('json-encoding', 'it is not UTF-8');
  }
}

const refusal = (reason: JsonReason, detail: string): IdentityError =>
  new IdentityError('invalid-argument', `The JSON document is not valid: ${detail}`, { reason });

const numberShape = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const integerShape = /^-?[0-9]+$/;
const words: readonly (readonly [string, boolean | null])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
];

class Reader {
  readonly #text: string;
  readonly #bigIntegers: boolean;
  #at = 0;

  constructor(text: string, bigIntegers: boolean) {
    this.#text = text;
    this.#bigIntegers = bigIntegers;
  }

  document(depth: number): Json {
    const value = this.#value(depth);
    if (this.#next() !== undefined) throw refusal('json-syntax', 'something follows its end');
    return value;
  }

  #value(depth: number): Json {
    const next = this.#next();
    if (next === '{') return this.#object(depth);
    if (next === '[') return this.#array(depth);
    if (next === '"') return this.#string();
    return next === '-' || (next !== undefined && next >= '0' && next <= '9') ? this.#number() : this.#word();
  }

  #object(depth: number): JsonObject {
    const members = new Map<string, Json>();
    for (let more = this.#opens('}', depth); more; more = this.#continues('}')) {
      if (this.#next() !== '"') throw refusal('json-syntax', 'a member has no name');
      const name = this.#string();
      if (members.has(name)) throw refusal('json-duplicate-member', 'a member is there twice');
      if (this.#next() !== ':') throw refusal('json-syntax', 'a member has no value');
      this.#at++;
      members.set(name, this.#value(depth - 1));
    }
    // Defines properties, where assignment would let a member named __proto__ replace the prototype.
    return Object.fromEntries(members);
  }

  #array(depth: number): Json[] {
    const values: Json[] = [];
    for (let more = this.#opens(']', depth); more; more = this.#continues(']')) values.push(this.#value(depth - 1));
    return values;
  }

  /** The platform reads what lies between two quotes; control characters and wrong escapes it refuses. */
  #string(): string {
    const start = this.#at;
    let end = start + 1;
    for (let code = 0; ; end++) {
      code = this.#text.charCodeAt(end);
      if (code === quote || Number.isNaN(code)) break;
      if (code === backslash) end++;
    }
    this.#at = end + 1;
    const value = unquote(this.#text.slice(start, this.#at));
    if (!value.isWellFormed()) throw refusal('json-encoding', 'half of a surrogate pair stands alone');
    return value;
  }

  #number(): number | bigint {
    numberShape.lastIndex = this.#at;
    const text = numberShape.exec(this.#text)?.[0];
    if (text === undefined) throw refusal('json-syntax', 'a number is malformed');
    this.#at += text.length;
    const value = Number(text);
    if (text.length > longestNumber || !Number.isFinite(value)) throw refusal('json-number', 'a number is too large');
    const rounded = integerShape.test(text) && !Number.isSafeInteger(value);
    return rounded && this.#bigIntegers ? BigInt(text) : value;
  }

  #word(): boolean | null {
    const word = words.find(([text]) => this.#text.startsWith(text, this.#at));
    if (word === undefined) throw refusal('json-syntax', 'a value is missing or malformed');
    this.#at += word[0].length;
    return word[1];
  }

  /** Past the opening bracket; false when the closing one follows at once. */
  #opens(close: string, depth: number): boolean {
    if (depth === 0) throw refusal('json-too-deep', 'it is nested too deep');
    this.#at++;
    if (this.#next() !== close) return true;
    this.#at++;
    return false;
  }

  /** Past a comma, or past the closing bracket. */
  #continues(close: string): boolean {
    const next = this.#next();
    if (next !== ',' && next !== close) throw refusal('json-syntax', 'a list is not closed');
    this.#at++;
    return next === ',';
  }

  /** The next character that is not a blank. */
  #next(): string | undefined {
    for (;;) {
      const next = this.#text[this.#at];
      if (next !== ' ' && next !== '\n' && next !== '\t' && next !== '\r') return next;
      this.#at++;
    }
  }
}

const quote = 0x22;
const backslash = 0x5c;

function unquote(text: string): string {
  try {
    return JSON.parse(text) as string;
  } catch {
    throw refusal('json-syntax', 'a string is malformed');
  }
}
