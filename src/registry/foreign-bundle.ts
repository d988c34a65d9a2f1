/** Bundles of foreign trust domains, as they were received: kept whole, under the name they were asked for by. */
import { hash, X509Certificate } from 'node:crypto';
import { IdentityError } from '../errors.ts';
import { type Bundle, formatBundle, parseBundle } from '../spiffe/bundle.ts';
import type { TrustDomain } from '../spiffe/id.ts';

/** Whose word it is: the bundle endpoint's, or an operator's who brought it. */
export type BundleSource = 'endpoint' | 'operator';

export interface ForeignBundle {
  readonly bundle: Bundle;
  /** The document that the bundle was read from, in SPIFFE format. */
  readonly document: string;
  /** SHA-256 of what it says, in hex: two documents that say the same have the same. */
  readonly digest: string;
  readonly source: BundleSource;
  readonly storedAt: number;
}

/** R-NET-3: what a bundle endpoint may send, and what fits every answer of the Workload API beside others. */
export const longestBundleDocument = 1024 * 1024;
/** Every workload that federates holds all of them; a large trust domain has dozens. */
const mostAuthorities = 512;

/** @throws IdentityError 'invalid-argument' where the document is not a bundle, or one that is out of all measure */
export function readForeignBundle(
  trustDomain: TrustDomain,
  document: string,
  { source, storedAt }: Pick<ForeignBundle, 'source' | 'storedAt'>,
): ForeignBundle {
  if (Buffer.byteLength(document) > longestBundleDocument) throw refusal(`exceeds ${longestBundleDocument} bytes`);
  const bundle = parseBundle(trustDomain, document);
  const authorities = bundle.x509Authorities.length + bundle.jwtAuthorities.length;
  if (authorities > mostAuthorities) throw refusal(`has ${authorities} keys; at most ${mostAuthorities} are taken`);
  for (const certificate of bundle.x509Authorities) requireReadable(certificate);
  return { bundle, document, digest: digestOf(bundle), source, storedAt };
}

/**
 * A second reader, OpenSSL: clients in the field give up a whole message, their own identity in it, over one certificate
 * that they cannot read. What a peer publishes must not do that to ours.
 */
function requireReadable(certificate: Buffer): void {
  try {
    new X509Certificate(certificate);
  } catch (cause) {
    const message = 'The bundle has a certificate that OpenSSL cannot read';
    throw new IdentityError('invalid-argument', message, { cause, reason: 'bundle-certificate' });
  }
}

function digestOf(bundle: Bundle): string {
  const restrictions = bundle.jwtAuthorities.map(({ algorithm }) => algorithm ?? '');
  return hash('sha256', JSON.stringify([formatBundle(bundle), ...restrictions]), 'hex');
}

const refusal = (fault: string): IdentityError =>
  new IdentityError('invalid-argument', `The bundle ${fault}`, { reason: 'bundle-size' });
