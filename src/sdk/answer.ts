import { IdentityError } from '../errors.ts';
import { SpiffeId, type TrustDomain } from '../spiffe/id.ts';

/** The value of a mandatory field, which is never its default (WA section 4.5). */
export function mandatory<T extends { readonly length: number }>(value: T, field: string): T {
  if (value.length === 0) throw unusable(`${field} is empty`);
  return value;
}

/** Runs `parse` on one field; what is wrong with the field is wrong with the answer. */
export function field<T>(name: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw unusable(`${name}: ${error instanceof IdentityError ? said(error) : 'not what it should be'}`, error);
  }
}

/** The first of each hint; a second one is not told apart by it (WA section 5.2.1). */
export function firstOfEachHint<T extends { readonly hint: string }>(svids: readonly T[]): readonly T[] {
  const seen = new Set<string>();
  return svids.filter(({ hint }) => hint === '' || (!seen.has(hint) && seen.add(hint)));
}

/** The SVID with this hint. A workload that expects a hint must not get another identity instead (WA section 8). */
export function withHint<T extends { readonly hint: string }>(svids: readonly T[], hint: string): T {
  const found = svids.find((svid) => svid.hint === hint);
  if (found === undefined) throw new IdentityError('not-found', `No SVID has the hint "${hint}".`);
  return found;
}

/**
 * The bundles of an answer by trust domain. One that cannot be read, or is empty, is left out, which leaves its trust
 * domain untrusted; the others are not held hostage by it.
 */
export function readBundles<T>(
  bundles: ReadonlyMap<string, Buffer>,
  parse: (trustDomain: TrustDomain, bytes: Buffer) => readonly T[],
  complain: (error: IdentityError) => void,
): Map<TrustDomain, readonly T[]> {
  const read = new Map<TrustDomain, readonly T[]>();
  for (const [key, bytes] of bundles) {
    try {
      const trustDomain = field('a bundle key', () => SpiffeId.trustDomain(SpiffeId.parse(key)));
      const authorities = field(`the bundle of ${trustDomain}`, () => parse(trustDomain, bytes));
      if (authorities.length > 0) read.set(trustDomain, authorities);
    } catch (error) {
      complain(error as IdentityError);
    }
  }
  return read;
}

/** The reader is our own program, not a stranger: it may know which rule said no. */
const said = ({ message, reason }: IdentityError): string =>
  reason === undefined ? message : `${message} (${reason})`;

export const unusable = (what: string, cause?: unknown): IdentityError =>
  new IdentityError('unavailable', `The Workload API sent an answer that cannot be used: ${what}.`, {
    reason: 'unusable-answer',
    ...(cause === undefined ? {} : { cause }),
  });
