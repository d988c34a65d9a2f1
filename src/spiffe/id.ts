/**
 * SPIFFE IDs and trust domain names (SPIFFE-ID section 2). One parser, byte by byte: nothing is decoded, folded or
 * normalised, what is not canonical is refused, and equality is equality of strings. Never `new URL`, which turns
 * `/a/../b` into `/b`, strips tabs and keeps upper-case hosts.
 */
import { IdentityError } from '../errors.ts';

declare const brand: unique symbol;

/** The name alone: `example.org`. */
export type TrustDomain = string & { readonly [brand]: 'TrustDomain' };
/** `spiffe://example.org/web`, or `spiffe://example.org` for the trust domain itself. */
export type SpiffeId = string & { readonly [brand]: 'SpiffeId' };

/** Section 2.3: longer IDs need not be understood by anyone. */
export const longestSpiffeId = 2048;
export const longestTrustDomain = 255;

const scheme = 'spiffe://';

export const TrustDomain = Object.freeze({
  /** A bare name. An ID is refused even without a path, so that there is one way to write it. */
  parse(text: string): TrustDomain {
    const fault = faultOfTrustDomain(text);
    if (fault !== undefined) throw refusal('trust-domain', `The trust domain ${fault}`);
    return text as TrustDomain;
  },

  /** `spiffe://example.org`, the ID of its authorities. */
  id: (trustDomain: TrustDomain): SpiffeId => `${scheme}${trustDomain}` as SpiffeId,
});

export const SpiffeId = Object.freeze({
  /** Any SPIFFE ID, also that of a trust domain. */
  parse(text: string): SpiffeId {
    const fault = faultOfId(text);
    if (fault !== undefined) throw refusal('spiffe-id', `The SPIFFE ID ${fault}`);
    return text as SpiffeId;
  },

  /** The ID of a workload has a path (X509-SVID section 3.1): that of the trust domain is for its authorities. */
  parseWorkload(text: string): SpiffeId {
    const id = SpiffeId.parse(text);
    if (SpiffeId.path(id) === '') {
      throw refusal('spiffe-id', 'The SPIFFE ID of a workload needs a path, as in spiffe://example.org/web');
    }
    return id;
  },

  trustDomain(id: SpiffeId): TrustDomain {
    const slash = id.indexOf('/', scheme.length);
    return id.slice(scheme.length, slash < 0 ? undefined : slash) as TrustDomain;
  },

  /** `/web`, or the empty string for a trust domain's ID. */
  path(id: SpiffeId): string {
    const slash = id.indexOf('/', scheme.length);
    return slash < 0 ? '' : id.slice(slash);
  },
});

const trustDomainShape = /^[a-z0-9._-]+$/;
const segmentShape = /^[A-Za-z0-9._-]+$/;

function faultOfTrustDomain(name: string): string | undefined {
  if (name === '') return 'is missing';
  if (name.length > longestTrustDomain) return `is longer than ${longestTrustDomain} bytes`;
  if (name.startsWith('spiffe:')) return 'is written as a bare name, such as example.org, without spiffe:// or a path';
  if (!trustDomainShape.test(name)) return 'may hold only a-z, 0-9, dots, dashes and underscores';
  return undefined;
}

function faultOfId(text: string): string | undefined {
  // Before anything that costs time in proportion to the text.
  if (text.length > longestSpiffeId) return `is longer than ${longestSpiffeId} bytes`;
  if (text === '') return 'is empty; it looks like spiffe://example.org/web';
  if (!text.startsWith(scheme)) return 'must begin with spiffe://';
  const [name = '', ...segments] = text.slice(scheme.length).split('/');
  const fault = faultOfTrustDomain(name);
  if (fault !== undefined) return `is wrong: its trust domain ${fault}`;
  return segments.map(faultOfSegment).find((found) => found !== undefined);
}

function faultOfSegment(segment: string): string | undefined {
  if (segment === '') return 'has an empty path segment or ends with a slash';
  if (segment === '.' || segment === '..') return 'has a path segment that is "." or ".."';
  if (!segmentShape.test(segment)) return 'has a path with other characters than a-z, A-Z, 0-9, . - _ and slashes';
  return undefined;
}

const refusal = (reason: 'trust-domain' | 'spiffe-id', message: string): IdentityError =>
  new IdentityError('invalid-argument', message, { reason });
