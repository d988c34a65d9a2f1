import { moment } from './text.ts';

/** Shown in columns of their own, or of use to `ledger verify` alone. */
const elsewhere: ReadonlySet<string> = new Set(['seq', 'at', 'kind', 'prev', 'seal']);

/** The plain facts of a ledger record on one line; what is nested is for `ledger show`. */
export const gist = (record: object): string =>
  Object.entries(record)
    .filter(([key]) => !elsewhere.has(key))
    .flatMap(([key, value]) => fact(key, value))
    .join(' ');

function fact(key: string, value: unknown): string[] {
  if (typeof value === 'number' && /At$|^not(Before|After)$/.test(key)) return [`${key}=${at(value)}`];
  if (typeof value === 'number' || typeof value === 'boolean') return [`${key}=${value}`];
  if (key === 'stated') return [`${key}=(${gist(value as object)})`];
  if (typeof value !== 'string' || value === '') return [];
  return [`${key}=${/^[^\s"=]+$/.test(value) ? value : JSON.stringify(value)}`];
}

/** The ledger writes times in milliseconds. */
function at(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? String(ms) : moment(date.toISOString());
}
