import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IdentityError } from '../errors.ts';
import { checkDer, DerReader, readBoolean, readOctetBits, readSmallInteger, tag } from './der.ts';
import { bitString, encode, explicit, octetString, sequence, unsignedInteger } from './der-write.ts';
import { encodeOid, oid, oidText } from './oid.ts';

const limits = { bytes: 4096, depth: 8, elements: 64 };
const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const check = (hex: string): void => checkDer(bytes(hex), limits);

function expectRefused(step: () => unknown, message: string): void {
  expect(step).toThrow(
    expect.objectContaining({ code: 'invalid-argument', reason: 'der', message: expect.stringContaining(message) }),
  );
}

describe('DER', () => {
  it('is taken where it is in the one form that X.690 section 10 allows', () => {
    const good = [
      '0500',
      '0101ff',
      '010100',
      '020100',
      '02020080',
      '0201ff',
      '0603550403',
      '030100',
      '03020780',
      '3000',
    ];
    for (const hex of [...good, '30 03 02 01 05', 'a0 02 05 00', '31 00', '80 00', `04 81 80 ${'00'.repeat(128)}`]) {
      expect(() => check(hex), hex).not.toThrow();
    }
  });

  it('is refused when it is cut short, or something follows', () => {
    for (const hex of ['', '30', '3001', '0203 01', '30 03 02 01', '308201']) expectRefused(() => check(hex), '');
    expectRefused(() => check('0500 00'), 'bytes follow the end');
    expectRefused(() => check('0500 0500'), 'bytes follow the end');
    expectRefused(() => check('30 03 02 02 01'), 'longer than what holds it');
  });

  it('is refused with a length that is indefinite, padded or enormous', () => {
    expectRefused(() => check('30 80 05 00 00 00'), 'indefinite');
    expectRefused(() => check('04 81 01 00'), 'not in its shortest form');
    expectRefused(() => check('04 82 00 80'), 'not in its shortest form');
    expectRefused(() => check('04 85 01 00 00 00 00'), 'indefinite or too large');
    expectRefused(() => check('04 84 ff ff ff ff'), 'longer than what holds it');
  });

  it('is refused with BER forms of single values', () => {
    const wrong = {
      '0101 01': 'neither 00 nor FF',
      '0100': 'neither 00 nor FF',
      '0200': 'an integer is empty',
      '0202 007f': 'not in its shortest form',
      '0202 ff80': 'not in its shortest form',
      '0501 00': 'a null is not empty',
      '0600': 'object identifier is cut short',
      '0602 5581': 'object identifier is cut short',
      '0603 558001': 'object identifier is padded',
      '0300': 'a bit string is wrong',
      '0301 01': 'a bit string is wrong',
      '0302 0800': 'a bit string is wrong',
      '0302 0701': 'unused bits are set',
      '24 02 04 00': 'a value comes in pieces',
      '10 00': 'a value comes in pieces',
      '1f 81 00 00': 'a tag has more than one byte',
      '00 00': 'a tag is zero',
    };
    for (const [hex, message] of Object.entries(wrong)) expectRefused(() => check(hex), message);
    expectRefused(() => checkDer(encode(tag.oid, Buffer.alloc(65, 1)), limits), 'too long');
  });

  it('is refused beyond its caps, without recursion (R-PARSE-1)', () => {
    let nested: Buffer = sequence();
    for (let depth = 1; depth < 9; depth++) nested = sequence(nested);
    expectRefused(() => checkDer(nested, limits), 'nested deeper than 8');
    expectRefused(() => checkDer(sequence(...Array<Buffer>(64).fill(bytes('0500'))), limits), 'more than 64 elements');
    expectRefused(() => checkDer(octetString(Buffer.alloc(4096)), limits), 'more than 4096 bytes');
    const bomb = Buffer.concat(Array<Buffer>(100_000).fill(bytes('3080')));
    expectRefused(() => checkDer(bomb, { bytes: 1e7, depth: 1e6, elements: 1e6 }), 'indefinite');
  });

  it('is read by position, each element once, with nothing left over', () => {
    const reader = new DerReader(sequence(unsignedInteger(Buffer.of(5)), octetString(Buffer.from('ab'))));
    const inner = reader.enter(tag.sequence);
    reader.finish();
    expect(readSmallInteger(inner.content(tag.integer))).toBe(5);
    expect(inner.tag).toBe(tag.octetString);
    expectRefused(() => inner.content(tag.null), 'another type than expected');
    expectRefused(() => inner.finish(), 'longer than its parts');
    expect(inner.element()).toEqual(bytes('04026162'));
    expect([inner.done, inner.tag]).toEqual([true, undefined]);
    expectRefused(() => inner.content(tag.null), 'cut short');
  });

  it('reads only what fits', () => {
    expect(readBoolean(bytes('ff'))).toBe(true);
    expectRefused(() => readSmallInteger(bytes('80')), 'out of range');
    expectRefused(() => readSmallInteger(bytes('0100000000')), 'out of range');
    expectRefused(() => readOctetBits(bytes('0180')), 'not whole bytes');
  });

  it('comes back from the reader as it went into the writer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 400 }), (content) => {
        const written = sequence(unsignedInteger(content), explicit(3, octetString(content)), bitString(content));
        checkDer(written, limits);
        const parts = new DerReader(written).enter(tag.sequence);
        const number = parts.content(tag.integer).toString('hex');
        expect(BigInt(`0x${number}`)).toBe(BigInt(`0x${Buffer.from(content).toString('hex')}`));
        expect(parts.enter(0xa3).content(tag.octetString)).toEqual(Buffer.from(content));
        expect(readOctetBits(parts.content(tag.bitString))).toEqual(Buffer.from(content));
        parts.finish();
      }),
    );
  });

  it('throws nothing but IdentityError, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (noise) => {
        try {
          checkDer(Buffer.from(noise), limits);
        } catch (error) {
          expect(error).toBeInstanceOf(IdentityError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('object identifiers', () => {
  it('come back as they were written', () => {
    for (const id of [...Object.values(oid), '0.39', '1.0.1', '2.999.3', '1.3.6.1.4.1.65980.4294967296']) {
      expect(oidText(new DerReader(encodeOid(id)).content(tag.oid)), id).toBe(id);
    }
    expect(encodeOid('1.2.840.113549')).toEqual(bytes('06062a864886f70d'));
  });
});
