import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { JWTSVID } from '../../src/gen/workload.ts';

/** Signs JWT-SVIDs for tests; ES256, written by hand so that it shares no mistake with the code under test. */
export class FakeJwtAuthority {
  readonly keyId: string;
  readonly #key: KeyObject;
  readonly #jwk: object;

  constructor(keyId = 'k1') {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.keyId = keyId;
    this.#key = privateKey;
    this.#jwk = { ...publicKey.export({ format: 'jwk' }), kid: keyId };
  }

  /** The JWK Set of these authorities, as FetchJWTBundles sends it. */
  static jwks(...authorities: readonly FakeJwtAuthority[]): Buffer {
    return Buffer.from(JSON.stringify({ keys: authorities.map((authority) => authority.#jwk) }));
  }

  token(claims: { sub: string; aud: readonly string[]; exp: number; iat?: number }): string {
    const header = { alg: 'ES256', kid: this.keyId, typ: 'JWT' };
    const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
    const signature = sign('sha256', Buffer.from(input), { key: this.#key, dsaEncoding: 'ieee-p1363' });
    return `${input}.${signature.toString('base64url')}`;
  }

  /** One SVID of a FetchJWTSVID answer, valid from `at` (ms) for `seconds`. */
  svid(sub: string, aud: readonly string[], at: number, seconds = 300, hint = ''): JWTSVID {
    const iat = Math.floor(at / 1_000);
    return { spiffeId: sub, svid: this.token({ sub, aud, iat, exp: iat + seconds }), hint };
  }
}
