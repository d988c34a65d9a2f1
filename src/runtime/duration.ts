import { IdentityError } from '../errors.ts';

const unitSeconds: Readonly<Record<string, number>> = { d: 86_400, h: 3_600, m: 60, s: 1 };
/** Durations travel as uint32 seconds. */
const longestSeconds = 2 ** 32 - 1;
const shape = /^(?:\d+d)?(?:\d+h)?(?:\d+m)?(?:\d+s)?$/;

/** `30s`, `5m`, `1h`, `1h30m`, `7d`, or a number of seconds; returns seconds. */
export function parseDuration(text: string): number {
  const seconds = /^\d+$/.test(text) ? Number(text) : secondsOfParts(text);
  if (seconds === undefined) {
    throw new IdentityError('invalid-argument', `'${text}' is not a duration: write 30s, 5m, 1h, 7d or seconds`);
  }
  if (seconds > longestSeconds) {
    throw new IdentityError('invalid-argument', `'${text}' is too long: at most ${longestSeconds} seconds`);
  }
  return seconds;
}

/** The shortest text that `parseDuration` reads back as the same number. */
export function formatDuration(seconds: number): string {
  let left = seconds;
  let text = '';
  for (const [unit, size] of Object.entries(unitSeconds)) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) text += `${count}${unit}`;
  }
  return text === '' ? '0s' : text;
}

function secondsOfParts(text: string): number | undefined {
  if (text === '' || !shape.test(text)) return undefined;
  const parts = text.match(/\d+[dhms]/g) ?? [];
  return parts.reduce((sum, part) => sum + Number(part.slice(0, -1)) * (unitSeconds[part.slice(-1)] ?? 0), 0);
}
