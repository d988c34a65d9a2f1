/** Views become wire messages. Pure; the only place that knows both. */
import type { JWTSVIDResponse, X509BundlesResponse, X509SVIDResponse } from '../gen/workload.ts';
import { Shared } from '../runtime/grpc-frames.ts';
import { type Bundle, formatJwks } from '../spiffe/bundle.ts';
import { TrustDomain } from '../spiffe/id.ts';
import type { JwtView, X509View } from './identities.ts';
import type { TrustView } from './trust.ts';

/** The streams of one process are sent the same view: what it becomes is made once. */
export function encodeX509(view: X509View): Shared<X509SVIDResponse> {
  const known = x509Messages.get(view) ?? new Shared(x509Message(view));
  x509Messages.set(view, known);
  return known;
}

const x509Messages = new WeakMap<X509View, Shared<X509SVIDResponse>>();

const x509Message = (view: X509View): X509SVIDResponse => {
  const bundle = authoritiesOf(view.bundle);
  return {
    svids: view.svids.map(({ entry, chain, privateKey }) => ({
      spiffeId: entry.spiffeId,
      x509Svid: chain,
      x509SvidKey: privateKey,
      bundle,
      hint: entry.hint,
    })),
    crl: [...view.crls.lists],
    federatedBundles: byTrustDomain(withX509(view.federated), authoritiesOf),
  };
};

export const encodeX509Bundles = ({ bundle, federated, crls }: TrustView): X509BundlesResponse => ({
  crl: [...crls.lists],
  bundles: byTrustDomain([bundle, ...withX509(federated)], authoritiesOf),
});

export const encodeJwt = (views: readonly JwtView[]): JWTSVIDResponse => ({
  svids: views.map(({ entry, token }) => ({ spiffeId: entry.spiffeId, svid: token, hint: entry.hint })),
});

export const encodeJwtBundles = ({ bundle, federated }: TrustView): { bundles: Map<string, Buffer> } => ({
  bundles: byTrustDomain([bundle, ...federated], jwksOf),
});

/**
 * A trust domain that has no X.509 authority, any more or at all, is left out where these are told: nobody there is
 * believed either way (WA-18), and clients in the field break for good on an empty value.
 */
const withX509 = (bundles: readonly Bundle[]): Bundle[] =>
  bundles.filter(({ x509Authorities }) => x509Authorities.length > 0);

/** Name and bundle reach a workload together (SPIFFE Federation section 5.1, FD-34); bundles are never merged (FD-33). */
const byTrustDomain = <T>(bundles: readonly Bundle[], encode: (bundle: Bundle) => T): Map<string, T> =>
  new Map(bundles.map((bundle) => [TrustDomain.id(bundle.trustDomain), encode(bundle)]));

/** One bundle serves thousands of messages: what it becomes is made once. */
function once(make: (bundle: Bundle) => Buffer): (bundle: Bundle) => Buffer {
  const made = new WeakMap<Bundle, Buffer>();
  return (bundle) => {
    const known = made.get(bundle) ?? make(bundle);
    made.set(bundle, known);
    return known;
  };
}

const authoritiesOf = once(({ x509Authorities }) => Buffer.concat([...x509Authorities]));
const jwksOf = once(({ jwtAuthorities }) => Buffer.from(formatJwks(jwtAuthorities)));
