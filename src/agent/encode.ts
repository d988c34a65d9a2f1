/** Views become wire messages. Pure; the only place that knows both. */
import type { JWTSVIDResponse, X509BundlesResponse, X509SVIDResponse } from '../gen/workload.ts';
import { type Bundle, formatJwks } from '../spiffe/bundle.ts';
import { TrustDomain } from '../spiffe/id.ts';
import type { BundleView, JwtView, X509View } from './identities.ts';

export const encodeX509 = (view: X509View): X509SVIDResponse => {
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
    federatedBundles: new Map(),
  };
};

export const encodeX509Bundles = ({ bundle, crls }: BundleView): X509BundlesResponse => ({
  crl: [...crls.lists],
  bundles: new Map([[TrustDomain.id(bundle.trustDomain), authoritiesOf(bundle)]]),
});

export const encodeJwt = (views: readonly JwtView[]): JWTSVIDResponse => ({
  svids: views.map(({ entry, token }) => ({ spiffeId: entry.spiffeId, svid: token, hint: entry.hint })),
});

export const encodeJwtBundles = ({ bundle }: Pick<BundleView, 'bundle'>): { bundles: Map<string, Buffer> } => ({
  bundles: new Map([[TrustDomain.id(bundle.trustDomain), Buffer.from(formatJwks(bundle.jwtAuthorities))]]),
});

/** One bundle serves thousands of messages: its concatenation is made once. */
const concatenated = new WeakMap<Bundle, Buffer>();

function authoritiesOf(bundle: Bundle): Buffer {
  const known = concatenated.get(bundle) ?? Buffer.concat([...bundle.x509Authorities]);
  concatenated.set(bundle, known);
  return known;
}
