import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IdentityError } from '../errors.ts';
import { type JsonReason, parseJson } from './json.ts';

const refusal = (reason: JsonReason) => expect.objectContaining({ code: 'invalid-argument', reason });
const refused = (reason: JsonReason, ...texts: (string | Uint8Array)[]): void => {
  for (const text of texts) expect(() => parseJson(text), String(text).slice(0, 60)).toThrow(refusal(reason));
};

describe('JSON', () => {
  it('is read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), fc.constantFrom(0, 1, '\t'), (text, indent) => {
        const value = JSON.parse(text);
        expect(parseJson(JSON.stringify(value, null, indent))).toEqual(value);
        expect(parseJson(Buffer.from(text))).toEqual(value);
      }),
    );
  });

  it('is refused wherever JSON.parse refuses it, and nothing else is ever thrown', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '"a"',
      '\\',
      '1',
      '-',
      '0',
      '.',
      'e',
      'true',
      'null',
      ' ',
      '\n',
      '\u0001',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 10 }), (parts) => {
        const text = parts.join('');
        const platform = attempt(() => JSON.parse(text));
        const own = attempt(() => parseJson(text));
        if (own instanceof Error) expect(own).toMatchObject({ name: 'IdentityError' });
        if (platform instanceof Error) expect(own, text).toBeInstanceOf(IdentityError);
        else if (!(own instanceof IdentityError)) expect(own).toEqual(platform);
        else expect(own.reason, text).toBe('json-duplicate-member');
      }),
      { numRuns: 5000 },
    );
  });

  it('SE-18 JT-32 is refused with a member twice, at any depth and in any spelling', () => {
    refused(
      'json-duplicate-member',
      '{"a":1,"a":2}',
      '{"x":[{"a":1,"b":2,"a":1}]}',
      '{"a":1,"\\u0061":2}',
      '{"":1,"":1}',
    );
    expect(parseJson('{"a":{"a":1},"A":2}')).toEqual({ a: { a: 1 }, A: 2 });
  });

  it('is refused nested deeper than asked, before the stack ends', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    expect(() => parseJson(nested(16))).not.toThrow();
    refused('json-too-deep', nested(17), '['.repeat(1_000_000), '{"a":'.repeat(5000));
    expect(() => parseJson(nested(3), { depth: 2 })).toThrow(refusal('json-too-deep'));
  });

  it('is refused unless its bytes are UTF-8, without a byte order mark', () => {
    refused(
      'json-encoding',
      Buffer.of(0x22, 0xff, 0x22),
      Buffer.of(0x22, 0xc0, 0x80, 0x22),
      Buffer.from('"\xed\xa0\x80"', 'latin1'),
    );
    refused('json-encoding', '"\\ud800"', '"\\udc00\\ud800"', '{"\\ud800":1}', '"\ud800"');
    refused('json-syntax', Buffer.from('\ufeff{}'));
    expect(parseJson('"\\ud83e\\udd2f"')).toBe('🤯');
  });

  it('is refused with numbers that cannot be kept', () => {
    refused('json-number', '1e999', '-1e999', '1'.repeat(41));
    refused('json-syntax', '01', '+1', '.5', '1.', '1e', '0x1', 'NaN', 'Infinity', '-', '--1');
  });

  it('BF-08 keeps integers above 2^53 exact where that is asked for', () => {
    const exact = parseJson('[9007199254740993,18446744073709551615,-9007199254740993,1,1.5]', { bigIntegers: true });
    expect(exact).toEqual([9007199254740993n, 18446744073709551615n, -9007199254740993n, 1, 1.5]);
    expect(parseJson('[18446744073709551615]')).toEqual([2 ** 64]);
  });

  it('keeps a member named __proto__ a member', () => {
    const value = parseJson('{"__proto__":{"admin":true},"constructor":1}') as Record<string, unknown>;
    expect(Object.keys(value)).toEqual(['__proto__', 'constructor']);
    expect(value['admin']).toBeUndefined();
  });

  it('is refused when it is larger than any document of ours', () => {
    refused('json-too-large', ' '.repeat(4 * 1024 * 1024 + 1));
  });

  it('is refused with anything after its end', () => {
    refused(
      'json-syntax',
      '{}{}',
      '{} x',
      '',
      ' ',
      '[1,]',
      '{"a":1,}',
      '{a:1}',
      "'a'",
      '// c\n1',
      '"\n"',
      '"\\x"',
      '"a',
      '[',
      '{"a"}',
    );
  });
});

function attempt(step: () => unknown): unknown {
  try {
    return step();
  } catch (error) {
    return error;
  }
}
