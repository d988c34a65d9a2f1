import { IdentityError } from '../errors.ts';
import type { Entry } from '../spiffe/entry.ts';

/** For verifiers whose clock is a little behind. */
const backdateMs = 10_000;

/** Documents count whole seconds. Nothing is ever rounded up: it would outlive what it was cut to (R-ISS-8). */
export const wholeSecond = (at: number): number => Math.floor(at / 1000) * 1000;

export const backdated = (now: number): number => wholeSecond(now - backdateMs);

/** The end of a credential: its own, or that of the authority or the entry it rests on, whichever comes first (law 3). */
export function endOf(now: number, ttlSeconds: number, authority: { readonly notAfter: number }, entry: Entry): number {
  // notAfter is the last moment at which a certificate is valid; expiresAt is the first at which an entry is not.
  const entryEnd = entry.expiresAt === undefined ? Number.POSITIVE_INFINITY : entry.expiresAt - 1;
  if (entryEnd < now) {
    throw new IdentityError('permission-denied', 'no identity issued', { reason: 'entry-expired' });
  }
  const end = wholeSecond(Math.min(now + ttlSeconds * 1000, authority.notAfter, entryEnd));
  if (end > now) return end;
  const message = 'What could be signed now would end at once: the authority or the entry ends within a second';
  throw new IdentityError('unavailable', message, { reason: 'no-life-left' });
}
