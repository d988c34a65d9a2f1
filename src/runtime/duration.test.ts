import { assert, integer, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IdentityError } from '../errors.ts';
import { formatDuration, parseDuration } from './duration.ts';

describe('parseDuration', () => {
  it.each([
    ['30s', 30],
    ['5m', 300],
    ['1h', 3_600],
    ['24h', 86_400],
    ['7d', 604_800],
    ['1h30m', 5_400],
    ['90', 90],
    ['0', 0],
  ])('reads %s as %d seconds', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });

  it.each(['', '1', 'h', '1.5h', '-1h', '+1h', '1H', ' 1h', '1h ', '1m1h', '1h1h', '1e3', '0x10', '١h', '1w'])(
    'refuses %j, or reads it as seconds, and never as something else',
    (text) => {
      if (/^\d+$/.test(text)) expect(parseDuration(text)).toBe(Number(text));
      else expect(() => parseDuration(text)).toThrow(/is not a duration: write 30s, 5m, 1h, 7d or seconds/);
    },
  );

  it('refuses what does not fit the wire', () => {
    expect(() => parseDuration('4294967296')).toThrow(/too long/);
    expect(() => parseDuration(`${'9'.repeat(400)}d`)).toThrow(/too long/);
  });

  it('reads back what formatDuration wrote', () => {
    assert(
      property(integer({ min: 0, max: 2 ** 32 - 1 }), (seconds) => parseDuration(formatDuration(seconds)) === seconds),
    );
  });

  it('answers any text with whole seconds or a refusal that says what to write', () => {
    assert(
      property(string({ unit: 'binary', maxLength: 12 }), (text) => {
        try {
          return Number.isSafeInteger(parseDuration(text));
        } catch (error) {
          return error instanceof IdentityError && error.code === 'invalid-argument';
        }
      }),
    );
  });
});
