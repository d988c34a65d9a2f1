/** Federation relationships: from where, and on whose word, the bundle of a foreign trust domain is taken. */
import { IdentityError } from '../errors.ts';
import { SpiffeId, TrustDomain } from '../spiffe/id.ts';
import { parseCertificate } from '../x509/certificate.ts';
import { decodePem, encodePem } from '../x509/pem.ts';

/** Who vouches for the bundle endpoint: the web's authorities by its host name, or a bundle by its SPIFFE ID. */
export type EndpointProfile = 'https_web' | 'https_spiffe';

/** One way: we believe them. Nothing in it follows from anything else in it (SPIFFE Federation section 5.1, FD-04). */
export interface Relationship {
  readonly trustDomain: TrustDomain;
  readonly endpointUrl: string;
  readonly profile: EndpointProfile;
  /** Of whoever serves an https_spiffe endpoint; undefined for https_web. */
  readonly endpointSpiffeId: SpiffeId | undefined;
  /** PEM: believed for an https_web endpoint instead of the public authorities; '' = the public ones. */
  readonly roots: string;
  /** The endpoint may have an address that is not of the public internet (R-NET-3). */
  readonly privateAddresses: boolean;
  readonly createdAt: number;
}

/** The same as it arrives: unchecked. */
export interface RelationshipDraft {
  readonly trustDomain: string;
  readonly endpointUrl: string;
  readonly profile: string;
  readonly endpointSpiffeId?: string | undefined;
  readonly roots?: string | undefined;
  readonly privateAddresses?: boolean | undefined;
}

const longestUrl = 2048;
/** A company's authorities are a handful. */
const mostRoots = 16;

/** Every rule of a relationship; the first one broken is named together with its field. */
export function checkRelationship(draft: RelationshipDraft, own: TrustDomain): Omit<Relationship, 'createdAt'> {
  const profile = profileOf(draft.profile);
  return {
    trustDomain: foreignTrustDomain(draft.trustDomain, own),
    endpointUrl: urlOf(draft.endpointUrl),
    profile,
    endpointSpiffeId: endpointIdOf(profile, draft.endpointSpiffeId ?? ''),
    roots: rootsOf(profile, draft.roots ?? ''),
    privateAddresses: draft.privateAddresses ?? false,
  };
}

/** Our own bundle is ours to make: nobody else's word on it is taken (FD-43). */
export function foreignTrustDomain(name: string, own: TrustDomain): TrustDomain {
  const trustDomain = inField('trust_domain', () => TrustDomain.parse(name));
  if (trustDomain === own) throw refusal('trust_domain', 'is our own: nobody else can say what its bundle is');
  return trustDomain;
}

function profileOf(profile: string): EndpointProfile {
  if (profile === 'https_web' || profile === 'https_spiffe') return profile;
  throw refusal('profile', 'is https_web or https_spiffe');
}

/** Sections 5.2.1.1 and 5.2.2.1: https, and nobody's name or password in it. */
function urlOf(text: string): string {
  if (text.length > longestUrl) throw refusal('endpoint_url', `is longer than ${longestUrl} characters`);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'https:') throw refusal('endpoint_url', 'must look like https://example.org/bundle');
  // An empty name is one too, and URL does not show it.
  if (/^https:\/*[^/?#]*@/i.test(text)) throw refusal('endpoint_url', 'must not hold a user name or a password');
  if (url.hash !== '') throw refusal('endpoint_url', 'must not have a fragment');
  return url.href;
}

function endpointIdOf(profile: EndpointProfile, text: string): SpiffeId | undefined {
  if (profile === 'https_web') {
    if (text !== '') throw refusal('endpoint_spiffe_id', 'goes with https_spiffe alone: an https_web server has none');
    return undefined;
  }
  if (text === '') throw refusal('endpoint_spiffe_id', 'is missing: say which SPIFFE ID the https_spiffe server has');
  return inField('endpoint_spiffe_id', () => SpiffeId.parseWorkload(text));
}

function rootsOf(profile: EndpointProfile, text: string): string {
  if (text === '') return '';
  if (profile !== 'https_web') throw refusal('roots', 'go with https_web alone: https_spiffe is judged by a bundle');
  const certificates = inField('roots', () => decodePem('CERTIFICATE', text));
  if (certificates.length === 0 || certificates.length > mostRoots) {
    throw refusal('roots', `must be 1 to ${mostRoots} certificates in PEM`);
  }
  for (const certificate of certificates) inField('roots', () => parseCertificate(certificate));
  return certificates.map((certificate) => encodePem('CERTIFICATE', certificate)).join('');
}

function inField<T>(field: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (cause instanceof IdentityError) throw refusal(field, `is refused: ${cause.message}`, cause);
    throw cause;
  }
}

const refusal = (field: string, fault: string, cause?: IdentityError): IdentityError =>
  new IdentityError('invalid-argument', `${field} ${fault}`, { cause, reason: `relationship-${field}` });
