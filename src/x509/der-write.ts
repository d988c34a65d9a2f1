/** The writing half of DER: small, general, and for compiling templates once, not for each certificate. */
import { tag } from './der.ts';

export function encode(type: number, ...contents: readonly Uint8Array[]): Buffer {
  const length = contents.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([header(type, length), ...contents]);
}

export const sequence = (...contents: readonly Uint8Array[]): Buffer => encode(tag.sequence, ...contents);

/** Context-specific: constructed with EXPLICIT content, or primitive with IMPLICIT content. */
export const explicit = (number: number, content: Uint8Array): Buffer => encode(0xa0 | number, content);
export const implicit = (number: number, content: Uint8Array): Buffer => encode(0x80 | number, content);

export const octetString = (content: Uint8Array): Buffer => encode(tag.octetString, content);
export const booleanTrue = Buffer.of(tag.boolean, 1, 0xff);

/** `unused` of the last byte's bits do not count. */
export const bitString = (content: Uint8Array, unused = 0): Buffer => encode(tag.bitString, Buffer.of(unused), content);

/** A positive INTEGER from big-endian bytes: shortest form, and a zero in front where the sign bit would be set. */
export function unsignedInteger(bytes: Uint8Array): Buffer {
  const start = bytes.findIndex((byte) => byte !== 0);
  const significant = start < 0 ? Buffer.of(0) : bytes.subarray(start);
  const sign = (significant[0] ?? 0) >= 0x80 ? Buffer.of(0) : Buffer.alloc(0);
  return encode(tag.integer, sign, significant);
}

export function header(type: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(headerLength(length));
  writeHeader(bytes, 0, type, length);
  return bytes;
}

export function headerLength(length: number): number {
  let size = 2;
  for (let left = length < 0x80 ? 0 : length; left > 0; left >>>= 8) size++;
  return size;
}

/** Returns where the content begins. */
export function writeHeader(into: Buffer, at: number, type: number, length: number): number {
  into[at] = type;
  const size = headerLength(length) - 2;
  if (size === 0) {
    into[at + 1] = length;
  } else {
    into[at + 1] = 0x80 | size;
    into.writeUIntBE(length, at + 2, size);
  }
  return at + 2 + size;
}
