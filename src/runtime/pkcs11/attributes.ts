/** Templates of PKCS#11 objects: CK_ATTRIBUTE structures and the values they point to, in one piece of memory. */
import koffi from 'koffi';
import { wordBytes } from './cryptoki.ts';

export const CKA = {
  CLASS: 0x00,
  TOKEN: 0x01,
  PRIVATE: 0x02,
  LABEL: 0x03,
  KEY_TYPE: 0x100,
  ID: 0x102,
  SENSITIVE: 0x103,
  SIGN: 0x108,
  VERIFY: 0x10a,
  MODULUS: 0x120,
  MODULUS_BITS: 0x121,
  PUBLIC_EXPONENT: 0x122,
  EXTRACTABLE: 0x162,
  EC_PARAMS: 0x180,
  EC_POINT: 0x181,
} as const;

export const CKO = { PUBLIC_KEY: 2, PRIVATE_KEY: 3 } as const;
export const CKK = { RSA: 0, EC: 3 } as const;

/** A value as PKCS#11 spells it: numbers as words, truths as single bytes, text without an end mark. */
export type AttributeValue = number | boolean | string | Uint8Array;
export type Attributes = readonly (readonly [type: number, value: AttributeValue])[];

export interface Template {
  /** For `CK_ATTRIBUTE_PTR`; holds all that it points to. */
  readonly memory: Buffer;
  readonly count: number;
}

/** CK_ATTRIBUTE { CK_ULONG type; void *value; CK_ULONG length } */
const attributeBytes = 3 * wordBytes;

export const template = (attributes: Attributes): Template =>
  laidOut(attributes.map(([type, value]) => ({ type, bytes: bytesOf(value) })));

/** Room for the values of an object, to be filled by C_GetAttributeValue. */
export const roomFor = (types: readonly number[], longest: number): Template =>
  laidOut(types.map((type) => ({ type, bytes: Buffer.alloc(longest) })));

/** What C_GetAttributeValue put there; empty where it said that there is none. */
export function valueAt({ memory, count }: Template, index: number): Buffer {
  const length = memory.readBigUInt64LE(index * attributeBytes + 2 * wordBytes);
  if (length >= BigInt(memory.length)) return Buffer.alloc(0);
  const room = (memory.length - count * attributeBytes) / count;
  const start = count * attributeBytes + index * room;
  return Buffer.from(memory.subarray(start, start + Number(length)));
}

export function word(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(wordBytes);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

/** CK_MECHANISM without a parameter. */
export const mechanism = (type: number): Buffer => Buffer.concat([word(type), word(0), word(0)]);

function bytesOf(value: AttributeValue): Uint8Array {
  if (typeof value === 'number') return word(value);
  if (typeof value === 'boolean') return Buffer.of(value ? 1 : 0);
  return typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
}

function laidOut(attributes: readonly { readonly type: number; readonly bytes: Uint8Array }[]): Template {
  const count = attributes.length;
  const memory = Buffer.alloc(attributes.reduce((sum, { bytes }) => sum + bytes.length, count * attributeBytes));
  const base = BigInt(koffi.address(memory));
  let end = count * attributeBytes;
  for (const [index, { type, bytes }] of attributes.entries()) {
    const at = index * attributeBytes;
    memory.writeBigUInt64LE(BigInt(type), at);
    memory.writeBigUInt64LE(base + BigInt(end), at + wordBytes);
    memory.writeBigUInt64LE(BigInt(bytes.length), at + 2 * wordBytes);
    memory.set(bytes, end);
    end += bytes.length;
  }
  return { memory, count };
}
