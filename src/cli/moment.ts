import { IdentityError } from '../errors.ts';
import { parseDuration } from '../runtime/duration.ts';

const rfc3339 = /^(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/;
const relative = /^([+-]?)([0-9dhms]+)$/;

/**
 * RFC 3339, `now`, or a duration from now: `-1h` ago, `+8h` ahead; without a sign it goes where the option looks.
 * Returns milliseconds since the epoch.
 */
export function parseMoment(text: string, now: number, looks: 'back' | 'ahead'): number {
  if (text === 'now') return now;
  const [, sign = '', duration] = relative.exec(text) ?? [];
  if (duration !== undefined) {
    const ahead = sign === '' ? looks === 'ahead' : sign === '+';
    return now + (ahead ? 1 : -1) * parseDuration(duration) * 1000;
  }
  return parseRfc3339(text, looks === 'back' ? '-1h' : '+8h');
}

function parseRfc3339(text: string, example: string): number {
  const [, date, time, fraction = '', offset] = rfc3339.exec(text) ?? [];
  // As UTC the day must come back as it was written: 30 February would not.
  const written = `${date}T${time}`;
  const day = Date.parse(`${written}Z`);
  const at = Date.parse(`${written}${fraction}${offset?.toUpperCase()}`);
  if (Number.isNaN(at) || Number.isNaN(day) || !new Date(day).toISOString().startsWith(written)) {
    throw new IdentityError(
      'invalid-argument',
      `'${text}' is not a time: write RFC 3339 such as 2026-11-23T12:00:00Z, or ${example}`,
    );
  }
  return at;
}
