import { IdentityError } from '../errors.ts';
import type { Entry } from '../gen/mayfly/admin/v1/admin.ts';
import { parseDuration } from '../runtime/duration.ts';
import { SpiffeId } from '../spiffe/id.ts';
import { Selector } from '../spiffe/selector.ts';
import { emptyEntry } from './entry-flags.ts';
import { parseMoment } from './moment.ts';

type Reader = (value: unknown, now: number) => unknown;

const text: Reader = (value) => (typeof value === 'string' ? value : refuse('must be text'));
const texts: Reader = (value) =>
  Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : refuse('must be a list of texts');
const seconds: Reader = (value) =>
  typeof value === 'string' || typeof value === 'number'
    ? parseDuration(String(value))
    : refuse('must be a duration such as "1h", or seconds');
const end: Reader = (value, now) =>
  value === null
    ? undefined
    : typeof value === 'string'
      ? new Date(parseMoment(value, now, 'ahead'))
      : refuse('must be a time');
const spiffeId: Reader = (value, now) => SpiffeId.parseWorkload(text(value, now) as string);
const selectors: Reader = (value, now) => (texts(value, now) as string[]).map((item) => Selector.parse(item));

/** The keys that an entry in a file may have: those of `entry show --json`. */
const readers: Readonly<Partial<Record<keyof Entry, Reader>>> = {
  spiffeId,
  selectors,
  owner: text,
  description: text,
  x509SvidTtl: seconds,
  jwtSvidTtl: seconds,
  dnsNames: texts,
  subject: text,
  hint: text,
  federatesWith: texts,
  audiences: texts,
  expiresAt: end,
};
const required = ['spiffeId', 'selectors', 'owner'] as const;
/** The issuer gives these; printed entries carry them, so that what was printed can be read again. */
const given: ReadonlySet<string> = new Set(['id', 'revision', 'createdAt']);

/** One entry of a file. Refuses what cannot be right wherever it is sent; whether the issuer wants it, it says itself. */
export function parseDraft(value: unknown, now: number): Entry {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refuse('must be an entry with named fields');
  const draft: Record<string, unknown> = { ...emptyEntry };
  for (const [written, item] of Object.entries(value)) {
    const key = written.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    if (!given.has(key)) draft[key] = read(key, written, item, now);
  }
  for (const key of required) if (draft[key]?.toString() === '') refuse(`'${key}' is missing`);
  return draft as unknown as Entry;
}

function read(key: string, written: string, value: unknown, now: number): unknown {
  const reader = Object.hasOwn(readers, key) ? readers[key as keyof Entry] : undefined;
  if (reader === undefined)
    return refuse(`unknown field '${written}'; the fields are ${Object.keys(readers).join(', ')}`);
  try {
    return reader(value, now);
  } catch (error) {
    if (error instanceof IdentityError) return refuse(`'${written}': ${error.message}`);
    throw error;
  }
}

function refuse(message: string): never {
  throw new IdentityError('invalid-argument', message);
}
