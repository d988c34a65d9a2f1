import { assert, constantFrom, date, integer, property, string, tuple } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IdentityError } from '../errors.ts';
import { parseMoment } from './moment.ts';

const now = Date.parse('2026-11-23T12:00:00Z');
const hour = 3_600_000;

describe('parseMoment', () => {
  it.each([
    ['now', now],
    ['-1h', now - hour],
    ['+1h', now + hour],
    ['2026-11-23T12:00:00Z', now],
    ['2026-11-23t13:00:00+01:00', now],
    ['2026-11-23T12:00:00.250Z', now + 250],
    ['2028-02-29T00:00:00Z', Date.parse('2028-02-29T00:00:00Z')],
  ])('reads %s', (text, at) => {
    expect(parseMoment(text, now, 'back')).toBe(at);
    expect(parseMoment(text, now, 'ahead')).toBe(at);
  });

  it('takes a duration without a sign in the direction that the option looks', () => {
    expect(parseMoment('8h', now, 'back')).toBe(now - 8 * hour);
    expect(parseMoment('8h', now, 'ahead')).toBe(now + 8 * hour);
  });

  it.each([
    '2026-02-30T00:00:00Z',
    '2027-02-29T00:00:00Z',
    '2026-11-23T24:00:00Z',
    '2026-11-23T12:00:00',
    '2026-11-23',
    '2026-11-23 12:00:00Z',
    'yesterday',
    '1700000000000Z',
    '',
  ])('refuses %j and says how to write a time', (text) => {
    expect(() => parseMoment(text, now, 'back')).toThrow(
      new IdentityError(
        'invalid-argument',
        `'${text}' is not a time: write RFC 3339 such as 2026-11-23T12:00:00Z, or -1h`,
      ),
    );
  });

  it('reads back every time that JavaScript writes', () => {
    const years = { min: new Date('0001-01-01T00:00:00Z'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true };
    assert(property(date(years), (at) => parseMoment(at.toISOString(), now, 'back') === at.getTime()));
  });

  it('goes as far back as ahead', () => {
    const durations = tuple(integer({ min: 0, max: 9_999 }), constantFrom('s', 'm', 'h', 'd'));
    assert(
      property(durations, ([count, unit]) => {
        const back = parseMoment(`-${count}${unit}`, now, 'ahead');
        return now - back === parseMoment(`+${count}${unit}`, now, 'back') - now;
      }),
    );
  });

  it('answers any text with a time or a refusal', () => {
    assert(
      property(string({ unit: 'binary', maxLength: 30 }), (text) => {
        try {
          return Number.isFinite(parseMoment(text, now, 'back'));
        } catch (error) {
          return error instanceof IdentityError && error.code === 'invalid-argument';
        }
      }),
    );
  });
});
