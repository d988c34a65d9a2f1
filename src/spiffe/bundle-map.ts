/** Bundles of several trust domains in one document (SPIFFE Trust Domain and Bundle section 5). */
import { IdentityError } from '../errors.ts';
import { type Bundle, formatBundle, readBundle } from './bundle.ts';
import { TrustDomain } from './id.ts';
import { isObject, parseJson } from './json.ts';

/** The whole map or nothing: one broken bundle, one name twice, and the old map stays. */
export function parseBundleMap(document: Uint8Array | string): ReadonlyMap<TrustDomain, Bundle> {
  const map = parseJson(document, { bigIntegers: true });
  const trustDomains = isObject(map) ? map['trust_domains'] : undefined;
  if (!isObject(trustDomains)) {
    throw new IdentityError('invalid-argument', 'The bundle map has no trust_domains', { reason: 'bundle-map-form' });
  }
  const names = Object.entries(trustDomains).map(([name, bundle]) => [TrustDomain.parse(name), bundle] as const);
  // What an inner bundle says about refreshing is no concern of who polls the map (section 5.1.1).
  return new Map(names.map(([name, bundle]) => [name, { ...readBundle(name, bundle), refreshHintSeconds: undefined }]));
}

export function formatBundleMap(bundles: readonly Bundle[]): string {
  const distinct = new Map(bundles.map((bundle) => [bundle.trustDomain, bundle]));
  if (distinct.size < bundles.length) throw new TypeError('a bundle map has one bundle for each trust domain');
  const members = bundles.map(
    (bundle) => `${JSON.stringify(bundle.trustDomain)}:${formatBundle({ ...bundle, refreshHintSeconds: undefined })}`,
  );
  return `{"trust_domains":{${members.join(',')}}}`;
}
