import { formatDuration } from '../runtime/duration.ts';

/** Aligned columns under a heading; the last column is as wide as it likes. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [heading, ...rows].map((row) => row.map(oneLine));
  const widths = heading.map((_, column) => lines.reduce((widest, row) => Math.max(widest, width(row[column])), 0));
  return lines
    .map(
      (row) =>
        `${row
          .map((cell, column) => pad(cell, widths[column]))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** One labelled line per fact; facts without a value are left out. */
export function facts(rows: readonly (readonly [string, string | undefined])[]): string {
  const known = rows.filter(([, value]) => value !== undefined && value !== '');
  const widest = Math.max(0, ...known.map(([label]) => label.length));
  return known.map(([label, value]) => `${label.padEnd(widest)}  ${oneLine(value ?? '')}\n`).join('');
}

/**
 * Names, descriptions and paths come from others: a control or direction character in them could forge what the
 * terminal shows, so each is shown as its number. Line feeds are ours.
 */
export const printable = (text: string): string => text.replaceAll(/[^\P{C}\n]|[\p{Zl}\p{Zp}]/gu, escaped);

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString('en')} ${count === 1 ? one : many}`;

/** To the second, UTC: as short as RFC 3339 allows. */
export const moment = (time: string | null): string => (time === null ? '' : `${time.slice(0, 19)}Z`);

export const lifetime = (seconds: number): string => (seconds === 0 ? 'default' : formatDuration(seconds));

export const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

const oneLine = (text: string): string => printable(text).replaceAll('\n', '\\n');
const escaped = (character: string): string => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
const width = (text = ''): number => [...text].length;
const pad = (text: string, to = 0): string => text + ' '.repeat(Math.max(0, to - width(text)));

/** For a shell. */
export const quoted = (text: string): string =>
  /^[\w./:@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
