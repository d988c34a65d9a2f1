/** X509-SVIDs: what a certificate must be to name a workload, and when it proves that name (X509-SVID sections 2 to 5). */
import { IdentityError } from '../errors.ts';
import { type Certificate, parseCertificate, splitCertificates } from '../x509/certificate.ts';
import { type Crl, serialText } from '../x509/crl.ts';
import { oid } from '../x509/oid.ts';
import { verifyPath } from '../x509/path.ts';
import type { CertificateReason, PathReason } from '../x509/refusal.ts';
import { isSignedBy, keyOf } from '../x509/signature.ts';
import { SpiffeId, TrustDomain } from './id.ts';

export interface X509Svid {
  readonly id: SpiffeId;
  /** Leaf first. */
  readonly certificates: readonly Buffer[];
  readonly notAfter: number;
}

export type X509SvidReason =
  | 'svid-empty'
  | 'svid-uri-count'
  | 'svid-spiffe-id'
  | 'svid-is-a-ca'
  | 'svid-key-usage'
  | 'svid-extended-key-usage'
  | 'svid-san-not-critical'
  | 'svid-unknown-trust-domain'
  | 'svid-foreign-authority'
  | 'svid-revoked'
  | CertificateReason
  | PathReason;

/** A leaf, four intermediates, and some that nobody needs. */
const mostCertificates = 10;

/** Reads a chain of DER certificates, leaf first, and checks the leaf against the profile; trusts nothing. */
export function parseX509Svid(chain: Buffer): X509Svid {
  return uniformly(() => {
    const certificates = splitCertificates(chain, mostCertificates);
    const leaf = parseLeaf(certificates);
    return { id: checkLeaf(leaf), certificates, notAfter: leaf.notAfter };
  });
}

/**
 * The identity that a chain, leaf first, proves at this moment. `bundles` gives the authorities of one trust domain;
 * only those of the domain that the leaf names are asked for. A list that one of them signed, and that has the chain
 * revoked, counts whatever its age.
 */
export function verifyX509Svid(
  chain: readonly Buffer[],
  bundles: (trustDomain: TrustDomain) => readonly Buffer[] | undefined,
  at: number,
  crls: readonly Crl[] = [],
): SpiffeId {
  return uniformly(() => {
    const id = checkLeaf(parseLeaf(chain));
    const trustDomain = SpiffeId.trustDomain(id);
    const authorities = bundles(trustDomain);
    if (authorities === undefined) throw refusal('svid-unknown-trust-domain');
    const path = verifyPath(chain, authorities, at);
    const [, ...issuers] = path;
    for (const issuer of issuers) checkAuthority(issuer, trustDomain);
    for (const [depth, issuer] of issuers.entries()) checkRevocation(path[depth], issuer, crls);
    return id;
  });
}

function parseLeaf([leaf]: readonly Buffer[]): Certificate {
  if (leaf === undefined) throw refusal('svid-empty');
  return parseCertificate(leaf);
}

/** Sections 2, 3.1, 4.1, 4.3, 4.4 and 5.2. */
function checkLeaf(leaf: Certificate): SpiffeId {
  const [uri, ...more] = leaf.uris;
  if (uri === undefined || more.length > 0) throw refusal('svid-uri-count');
  if (leaf.isCa) throw refusal('svid-is-a-ca');
  const { keyUsage, extendedKeyUsage } = leaf;
  const mayOnlySign = keyUsage?.has('digitalSignature') && !keyUsage.has('keyCertSign') && !keyUsage.has('cRLSign');
  if (!mayOnlySign || !leaf.keyUsageCritical) throw refusal('svid-key-usage');
  if (extendedKeyUsage !== undefined && !tlsBothWays.every((purpose) => extendedKeyUsage.includes(purpose))) {
    throw refusal('svid-extended-key-usage');
  }
  if (leaf.subjectEmpty && !leaf.sanCritical) throw refusal('svid-san-not-critical');
  // Of its own key no signature is checked here, and a point beside its curve is no key.
  keyOf(leaf);
  return idOf(uri);
}

const tlsBothWays = [oid.serverAuth, oid.clientAuth];

function idOf(uri: string): SpiffeId {
  try {
    return SpiffeId.parseWorkload(uri);
  } catch (cause) {
    throw refusal('svid-spiffe-id', cause);
  }
}

/**
 * Every authority on the way that has a URI has exactly one, its trust domain's (R-X509-1): an authority of another
 * domain cannot slip into the path. Section 3.2 wants no slash after it; the example in the bundle document has one.
 */
function checkAuthority({ uris }: Certificate, trustDomain: TrustDomain): void {
  if (uris.length === 0) return;
  const own = TrustDomain.id(trustDomain);
  if (uris.length > 1 || (uris[0] !== own && uris[0] !== `${own}/`)) throw refusal('svid-foreign-authority');
}

function checkRevocation(certificate: Certificate | undefined, issuer: Certificate, crls: readonly Crl[]): void {
  const own = crls.filter((crl) => crl.issuer.equals(issuer.subject));
  const listed = own.filter(({ revoked }) => certificate !== undefined && revoked.has(serialText(certificate.serial)));
  // Signatures are costly: only a list that would refuse is asked for its own.
  if (listed.some((crl) => isSignedBy(crl, issuer))) throw refusal('svid-revoked');
}

/** Whatever was wrong, a stranger reads one sentence. */
function uniformly<T>(step: () => T): T {
  try {
    return step();
  } catch (cause) {
    if (!(cause instanceof IdentityError) || cause.message === publicMessage) throw cause;
    throw refusal(cause.reason as X509SvidReason, cause);
  }
}

const publicMessage = 'The X509-SVID is not valid';

const refusal = (reason: X509SvidReason, cause?: unknown): IdentityError =>
  new IdentityError('invalid-argument', publicMessage, { reason, cause });
