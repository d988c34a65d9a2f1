import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { tag } from './der.ts';
import { decodeTime, encodeTime } from './time.ts';

const at = (text: string): number => Date.parse(text);
const written = (text: string): string => encodeTime(at(text)).subarray(2).toString('latin1');
const read = (type: number, text: string): number => decodeTime(type, Buffer.from(text, 'latin1'));
const spelled = (moment: number): number => {
  const encoded = encodeTime(moment);
  return decodeTime(encoded[0], encoded.subarray(2));
};

describe('certificate times', () => {
  it('XC-34 are UTCTime to the end of 2049 and GeneralizedTime after', () => {
    expect(encodeTime(at('2049-12-31T23:59:59.999Z'))).toEqual(Buffer.from('\x17\x0d491231235959Z', 'latin1'));
    expect(encodeTime(at('2050-01-01T00:00:00Z'))).toEqual(Buffer.from('\x18\x0f20500101000000Z', 'latin1'));
    expect(written('1950-01-01T00:00:00Z')).toBe('500101000000Z');
    expect(written('2055-06-30T12:30:15Z')).toBe('20550630123015Z');
    expect(written('9999-12-31T23:59:59Z')).toBe('99991231235959Z');
  });

  it('know leap days and the edges of 32 bits', () => {
    expect(written('2028-02-29T00:00:00Z')).toBe('280229000000Z');
    expect(written('2100-02-28T23:59:59Z')).toBe('21000228235959Z');
    expect(written('2038-01-19T03:14:08Z')).toBe('380119031408Z');
    expect(written('2106-02-07T06:28:16Z')).toBe('21060207062816Z');
  });

  it('are never rounded up and never lose a whole second (R-ISS-8)', () => {
    const [first, last] = [at('1950-01-01T00:00:00Z'), at('9999-12-31T23:59:59.999Z')];
    fc.assert(
      fc.property(fc.integer({ min: first, max: last }), (moment) => {
        const back = spelled(moment);
        expect(back <= moment && moment - back < 1000, String(moment)).toBe(true);
      }),
      { numRuns: 20_000 },
    );
  });

  it('switch at 2050 to the second (R-ISS-8)', () => {
    const change = at('2050-01-01T00:00:00Z');
    for (let ms = -3000; ms <= 3000; ms += 250) {
      expect(encodeTime(change + ms)[0]).toBe(ms < 0 ? tag.utcTime : tag.generalizedTime);
      expect(spelled(change + ms)).toBe(change + Math.floor(ms / 1000) * 1000);
    }
  });

  it('do not exist before 1950 and after 9999', () => {
    for (const moment of ['1949-12-31T23:59:59Z', '+010000-01-01T00:00:00Z']) {
      expect(() => encodeTime(at(moment))).toThrow(TypeError);
    }
    expect(() => encodeTime(Number.NaN)).toThrow(TypeError);
  });

  it('are refused in any other spelling', () => {
    const utc = ['4912312359Z', '491231235959', '491231235959+0000', '490229000000Z', '491301000000Z', '490100000000Z'];
    for (const text of [...utc, '490101240000Z', '490101000060Z', '49010100000aZ', '491231235959Z ', '']) {
      expect(() => read(tag.utcTime, text), text).toThrow('valid DER: a time');
    }
    const generalized = ['20491231235959Z', '20500101000000.5Z', '20500101000000', '19491231235959Z', '205001010000Z'];
    for (const text of [...generalized, '20500101000000+0100', '20501301000000Z', '00500101000000Z', '500101000000Z']) {
      expect(() => read(tag.generalizedTime, text), text).toThrow('valid DER: a time');
    }
    expect(() => read(tag.integer, '500101000000Z')).toThrow('valid DER: a time');
  });

  it('read two digits below 50 as of this century', () => {
    expect(read(tag.utcTime, '491231235959Z')).toBe(at('2049-12-31T23:59:59Z'));
    expect(read(tag.utcTime, '500101000000Z')).toBe(at('1950-01-01T00:00:00Z'));
  });
});
