/**
 * What relying parties outside SPIFFE read before they believe a token of ours: the discovery document (OpenID Connect
 * Discovery 1.0 section 3, RFC 8414 section 2) and the key set (RFC 7517). The set is another document than the bundle:
 * its keys are for `sig`, because JOSE libraries find no key whose use is `jwt-svid`.
 */
import type { JsonWebKey, KeyObject } from 'node:crypto';
import { Issuer } from './issuer.ts';
import { writePlainKey } from './jwk.ts';

export type TokenAlgorithm = 'ES256' | 'ES384' | 'RS256';

/** What such a key signs here; undefined for one that signs no tokens of ours. */
export function algorithmOf(key: KeyObject): TokenAlgorithm | undefined {
  if (key.asymmetricKeyType === 'rsa') return 'RS256';
  const curve = key.asymmetricKeyDetails?.namedCurve;
  return curve === 'prime256v1' ? 'ES256' : curve === 'secp384r1' ? 'ES384' : undefined;
}

export interface TokenKey {
  readonly keyId: string;
  readonly publicKey: KeyObject;
  readonly algorithm: TokenAlgorithm;
  readonly signsNow: boolean;
  /** Around the key, for those who take it in no other form. */
  readonly certificate?: Buffer | undefined;
}

/** Sets for those who do not take the whole one. */
export const keyViews = ['es256', 'rs256', 'gcp', 'rgw'] as const;
export type KeyView = (typeof keyViews)[number];

/** No authorization endpoint: nobody signs in here. The algorithms are those of keys that are published, no more. */
export function discoveryDocument(issuer: Issuer, keys: readonly TokenKey[]): object {
  return {
    issuer,
    jwks_uri: Issuer.keysUrl(issuer),
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [...new Set(keys.map(({ algorithm }) => algorithm))].sort(),
    scopes_supported: ['openid'],
    claims_supported: ['aud', 'exp', 'iat', 'iss', 'jti', 'nbf', 'sub'],
  };
}

/** @param certificates whether keys come with a certificate that has the same key */
export const keySet = (keys: readonly TokenKey[], certificates: boolean): object => ({
  keys: keys.map((key) => (certificates ? withCertificate(key) : writePlainKey(key))),
});

/** The same keys in the same order, as one kind of relying party takes them. */
export const viewOf: Readonly<Record<KeyView, (keys: readonly TokenKey[]) => object>> = {
  es256: (keys) => keySet(only(keys, 'ES256'), false),
  rs256: (keys) => keySet(only(keys, 'RS256'), false),
  // Its upload takes kty, alg, use, kid, n, e, x, y and crv, and of algorithms these two.
  gcp: (keys) => keySet([...only(keys, 'ES256'), ...only(keys, 'RS256')], false),
  rgw: (keys) => keySet(keys, true),
};

const only = (keys: readonly TokenKey[], algorithm: TokenAlgorithm): readonly TokenKey[] =>
  keys.filter((key) => key.algorithm === algorithm);

const withCertificate = (key: TokenKey): JsonWebKey =>
  key.certificate === undefined
    ? writePlainKey(key)
    : { ...writePlainKey(key), x5c: [key.certificate.toString('base64')] };
