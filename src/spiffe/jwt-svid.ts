/** JWT-SVIDs: what one must be to prove an identity to an audience, and how ours are written (JWT-SVID sections 2 to 4). */
import { IdentityError } from '../errors.ts';
import type { JwtAuthority } from './bundle.ts';
import { SpiffeId, type TrustDomain } from './id.ts';
import type { JsonObject } from './json.ts';
import { fits, type JwsAlgorithm, signatureCharacters, signatureHolds } from './jws-algorithms.ts';
import { type Jws, type JwtSvid, readToken, refuseToken } from './jwt-token.ts';

export type { JwtSvid, JwtSvidReason } from './jwt-token.ts';

/** RFC 7519 section 4.1.4 wants a leeway of no more than a few minutes; ours ends at one (JT-22). */
const longestLeewaySeconds = 60;
/** How far an issuer's clock may run ahead of ours (JT-24). `iat` opens no door, so this is not the leeway. */
const clockSkewMs = 60_000;

/** What the token says, checked for its form alone: no signature, no time, no audience. */
export function parseJwtSvid(token: string): JwtSvid {
  return readToken(token).svid;
}

/**
 * `keys` gives the JWT authorities of one trust domain; only those of the domain in `sub` are asked for. A token without
 * `kid`, or with one that is not known, is refused: no key is ever tried on suspicion (JT-08, JT-30).
 */
export function verifyJwtSvid(
  token: string,
  audience: string,
  keys: (trustDomain: TrustDomain) => readonly JwtAuthority[] | undefined,
  at: number,
  leewaySeconds = 0,
): JwtSvid {
  if (!(leewaySeconds >= 0 && leewaySeconds <= longestLeewaySeconds)) throw new TypeError('leeway is 0 to 60 seconds');
  const { svid, jws } = readToken(token);
  checkSignature(jws, keyOf(svid, keys));
  checkTime(svid, at, leewaySeconds * 1000);
  if (!svid.audience.includes(audience)) throw refuseToken('audience');
  return svid;
}

function keyOf(
  { id, keyId }: JwtSvid,
  keys: (trustDomain: TrustDomain) => readonly JwtAuthority[] | undefined,
): JwtAuthority {
  if (keyId === undefined) throw refuseToken('header-kid');
  const authorities = keys(SpiffeId.trustDomain(id));
  if (authorities === undefined) throw refuseToken('unknown-trust-domain');
  const authority = authorities.find((one) => one.keyId === keyId);
  if (authority === undefined) throw refuseToken('unknown-key');
  return authority;
}

/** The key says what it is good for, the token only what it claims to be (R-JWT-1). */
export function checkSignature({ algorithm, signed, signature }: Jws, authority: JwtAuthority): void {
  const { publicKey, algorithm: only = algorithm } = authority;
  if (only !== algorithm || !fits(algorithm, publicKey)) throw refuseToken('key-unfit');
  if (!signatureHolds(algorithm, publicKey, signed, signature)) throw refuseToken('signature');
}

/** RFC 7519 section 4.1.4: at `exp` it is over. */
function checkTime({ expiresAt, issuedAt, claims }: JwtSvid, at: number, leewayMs: number): void {
  if (at >= expiresAt + leewayMs) throw refuseToken('expired');
  const { nbf } = claims;
  if (typeof nbf === 'number' && at < nbf * 1000 - leewayMs) throw refuseToken('not-yet-valid');
  if (issuedAt !== undefined && issuedAt > at + clockSkewMs) throw refuseToken('issued-in-the-future');
}

export interface JwtSvidHeader {
  readonly alg: JwsAlgorithm;
  readonly kid: string;
}

export interface JwtSvidClaims {
  readonly sub: SpiffeId;
  readonly aud: readonly string[];
  /** Whole seconds, all of them. */
  readonly exp: number;
  readonly iat: number;
  readonly nbf?: number | undefined;
  readonly jti: string;
  readonly iss?: string | undefined;
  /** Others, none of them ours to say. */
  readonly more?: JsonObject | undefined;
}

/** The token has to fit the headers it travels in, with room for others beside it (JT-34). */
const longestIssuedToken = 4096;

/** What a JWT authority signs: header and claims, encoded. The token is this, a dot, and the signature in base64url. */
export function jwtSvidSigningInput(
  { alg, kid }: JwtSvidHeader,
  claims: JwtSvidClaims,
  longest = longestIssuedToken,
): string {
  const { sub, aud, exp, iat, nbf, jti, iss, more } = claims;
  if (kid === '' || aud.length === 0) throw new TypeError('a JWT-SVID has a key ID and an audience');
  if (![exp, iat, nbf ?? 0].every(Number.isSafeInteger)) throw new TypeError('times in a JWT-SVID are whole seconds');
  // A plain string when there is one: some relying parties do not take a list.
  const payload = { ...more, iss, sub, aud: aud.length === 1 ? aud[0] : aud, exp, nbf, iat, jti };
  const input = `${encodeJson({ alg, kid, typ: 'JWT' })}.${encodeJson(payload)}`;
  if (input.length + 1 + signatureCharacters(alg) > longest) {
    throw new IdentityError(
      'invalid-argument',
      `The JWT-SVID would be longer than ${longest} bytes: ask for fewer or shorter audiences`,
      { reason: 'token-too-large' },
    );
  }
  return input;
}

const encodeJson = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
