/** Who vouches for an X.509 authority, and what of an answer is believed: an upstream may be away, slow, or wrong. */
import { IdentityError } from '../errors.ts';
import type { Signer } from '../runtime/signer.ts';
import { TrustDomain } from '../spiffe/id.ts';
import { type Certificate, parseCertificate } from '../x509/certificate.ts';
import { verifyPath } from '../x509/path.ts';
import type { IntermediateCertificate } from './certificate.ts';
import type { Upstream } from './journal.ts';

export interface UpstreamAuthority {
  /** For messages. */
  readonly name: string;
  /**
   * A certificate for the signer's key, and who stands above it; no upstream where it is a root.
   * @throws IdentityError 'unavailable' when there is none to be had now
   */
  certify(request: IntermediateCertificate, signer: Signer): Promise<Vouched>;
}

export interface Vouched {
  readonly certificate: Buffer;
  readonly upstream: Upstream | undefined;
}

export interface Certified extends Vouched {
  readonly notBefore: number;
  /** When the first of all that stand above a leaf ends, or what was asked for, whichever comes first. */
  readonly notAfter: number;
}

/** What was asked for, or less of it; never anything else (R-KEY-2, fault row 14). */
export async function certified(
  upstream: UpstreamAuthority,
  request: IntermediateCertificate,
  signer: Signer,
  now: number,
): Promise<Certified> {
  const vouched = await upstream.certify(request, signer).catch((error: unknown) => {
    if (!(error instanceof IdentityError && error.code === 'invalid-argument')) throw error;
    throw wrong(upstream.name, `a certificate that cannot be read (${error.message})`, error);
  });
  const path = pathOf(upstream.name, vouched, now);
  const fault = faultOf(path, request, signer, now);
  if (fault !== undefined) throw wrong(upstream.name, fault);
  const [notBefore, ends] = [path[0]?.notBefore ?? now, path.map(({ notAfter }) => notAfter)];
  return { ...vouched, notBefore, notAfter: Math.min(request.notAfter, ...ends) };
}

/** Ours first, the root last; one for a root of our own. */
function pathOf(name: string, { certificate, upstream }: Vouched, now: number): readonly Certificate[] {
  try {
    if (upstream === undefined) return [parseCertificate(certificate)];
    return verifyPath([certificate, ...upstream.chain], upstream.roots, now);
  } catch (cause) {
    const reason = cause instanceof IdentityError ? cause.reason : undefined;
    throw wrong(name, `no root that it names leads to the certificate (${reason ?? cause})`, cause);
  }
}

function faultOf(path: readonly Certificate[], request: IntermediateCertificate, signer: Signer, now: number) {
  const [own, ...above] = path;
  if (own === undefined || !own.publicKey.equals(signer.publicKey)) return 'the certificate is for another key';
  const id = TrustDomain.id(request.trustDomain);
  if (own.uris.length !== 1 || own.uris[0] !== id) return `the certificate is not for ${id} and nothing else`;
  if (!own.isCa || own.keyUsage?.has('keyCertSign') !== true) return 'the certificate may not sign others';
  if (own.subjectEmpty || own.subjectKeyId === undefined) return 'the certificate has no name or no key identifier';
  if (own.pathLength !== undefined && own.pathLength < request.levelsBelow) {
    return 'the certificate leaves no room for the levels_below that the settings want';
  }
  if (above.some((ca, index) => ca.pathLength !== undefined && ca.pathLength < authoritiesBelow(path, index + 1))) {
    return 'a certificate above has a path length that leaves no room for an authority below it';
  }
  const foreign = above.some(({ uris }) =>
    uris.some((uri) => uri.startsWith('spiffe://') && uri.replace(/\/$/, '') !== id),
  );
  if (foreign) return 'a certificate above belongs to another trust domain';
  const end = Math.min(...path.map(({ notAfter }) => notAfter));
  if (end - now < (request.notAfter - now) * shortestShare) return 'the certificate, or one above, ends too soon';
  return undefined;
}

/** Who signed themselves do not count (RFC 5280 section 4.2.1.9). */
const authoritiesBelow = (path: readonly Certificate[], index: number): number =>
  path.slice(0, index).filter(({ issuer, subject }) => !issuer.equals(subject)).length;

/** Of the life that was asked for. With less the next rotation would be due before others know of this one. */
const shortestShare = 1 / 6;

export const wrong = (name: string, fault: string, cause?: unknown): IdentityError =>
  new IdentityError('unavailable', `${name} answered with what cannot be used: ${fault}`, {
    cause,
    reason: 'upstream-wrong',
  });
