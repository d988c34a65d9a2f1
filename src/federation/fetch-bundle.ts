/** One look at a bundle endpoint: whom to believe, what to ask for, and what came back as text. */
import { TextDecoder } from 'node:util';
import { IdentityError } from '../errors.ts';
import { longestBundleDocument, type Relationship } from '../registry/registry.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Fetcher, Trust } from '../runtime/http.ts';
import { peerChain } from '../runtime/peer-chain.ts';
import type { Bundle } from '../spiffe/bundle.ts';
import { SpiffeId, type TrustDomain } from '../spiffe/id.ts';
import { verifyX509Svid } from '../spiffe/x509-svid.ts';
import { encodePem } from '../x509/pem.ts';

export interface FetchBundleParts {
  readonly fetch: Fetcher;
  readonly clock: Clock;
  /** The newest bundle of any trust domain that is known, our own included. */
  readonly bundleOf: (trustDomain: TrustDomain) => Bundle | undefined;
}

/** @throws IdentityError 'unavailable' with what is wrong with the endpoint, or 'failed-precondition' with what we lack */
export async function fetchBundle(
  relationship: Relationship,
  { fetch, clock, bundleOf }: FetchBundleParts,
  signal: AbortSignal,
): Promise<string> {
  const { endpointUrl: url, privateAddresses } = relationship;
  const trust =
    relationship.endpointSpiffeId === undefined
      ? webTrust(relationship)
      : spiffeTrust(relationship.endpointSpiffeId, bundleOf, clock);
  const body = await fetch({
    ...{ url, trust, privateAddresses, signal },
    contentType: 'application/json',
    longestBody: longestBundleDocument,
  }).catch((error: unknown) => {
    throw helpful(error, relationship);
  });
  return textOf(body);
}

/** SPIFFE Federation section 5.2.1.4: the host's name, vouched for by the public authorities or by those that were given. */
const webTrust = ({ roots }: Relationship): Trust => (roots === '' ? {} : { ca: roots });

/**
 * Section 5.2.2.4: an X509-SVID of exactly that ID, by the newest bundle of the ID's own trust domain. OpenSSL judges the
 * signatures first; what the certificate says is then judged by us. The host's name does not count.
 */
function spiffeTrust(id: SpiffeId, bundleOf: FetchBundleParts['bundleOf'], clock: Clock): Trust {
  const trustDomain = SpiffeId.trustDomain(id);
  const authorities = bundleOf(trustDomain)?.x509Authorities ?? [];
  if (authorities.length === 0) {
    const message = `there is no X.509 authority of ${trustDomain} by which to judge the endpoint`;
    const advice = `bring its bundle: mayfly bundle set ${trustDomain} --file bundle.json`;
    throw new IdentityError('failed-precondition', `${message}; ${advice}`, { reason: 'endpoint-bundle' });
  }
  return {
    ca: authorities.map((certificate) => encodePem('CERTIFICATE', certificate)),
    allowPartialTrustChain: true,
    checkServerIdentity: (_host, certificate) => {
      try {
        // Node passes the detailed form; its type here says less.
        const chain = peerChain(certificate as Parameters<typeof peerChain>[0]);
        const peer = verifyX509Svid(chain, (asked) => (asked === trustDomain ? authorities : undefined), clock.now());
        return peer === id ? undefined : notTheEndpoint(peer, id);
      } catch (error) {
        return error instanceof Error ? notAnSvid(error) : new TypeError('not an error');
      }
    },
  };
}

const notTheEndpoint = (peer: SpiffeId, id: SpiffeId): IdentityError =>
  new IdentityError('unavailable', `its server is ${peer} and not ${id}`, { reason: 'endpoint-id' });

const notAnSvid = (cause: Error): IdentityError =>
  new IdentityError('unavailable', 'its server does not show a valid X.509-SVID', { cause, reason: 'endpoint-svid' });

/** Each profile is tried alone (FD-40); that the other one was meant is a common mistake. */
function helpful(error: unknown, { profile }: Relationship): unknown {
  if (!(error instanceof IdentityError) || error.reason !== 'fetch-certificate') return error;
  const advice =
    profile === 'https_web'
      ? 'if the server shows an X.509-SVID, the profile is https_spiffe; if its authority is private, give it with --roots'
      : 'its authority is not in the stored bundle; if the server has a certificate of the web, the profile is https_web';
  return new IdentityError(error.code, `${error.message}; ${advice}`, { cause: error, reason: error.reason });
}

/** Section 5.2.1.3: UTF-8 (FD-12). */
function textOf(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch (cause) {
    throw new IdentityError('unavailable', 'its answer is not UTF-8', { cause, reason: 'bundle-form' });
  }
}
