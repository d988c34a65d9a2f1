/** The two kinds of keys in a bundle as JSON Web Keys (RFC 7517, RFC 7518 section 6; X509-SVID and JWT-SVID section 6). */
import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { IdentityError } from '../errors.ts';
import { parseCertificate } from '../x509/certificate.ts';
import { isRoca } from '../x509/roca.ts';
import { keyOf } from '../x509/signature.ts';
import { decodeBase64, decodeBase64Url } from './base64.ts';
import type { JwtAuthority } from './bundle.ts';
import { isArray, type JsonObject } from './json.ts';
import { isJwsAlgorithm } from './jws-algorithms.ts';

export type JwkReason = 'jwk-form' | 'jwk-private' | 'jwk-certificate' | 'jwk-certificate-key';

/** What is published: the key, its use, and for CAs the certificate. Nothing else belongs in (section 4.2). */
export function writeX509Authority(certificate: Buffer): JsonWebKey {
  const key = keyOf(parseCertificate(certificate)).export({ format: 'jwk' });
  return { use: 'x509-svid', ...publicMembers(key), x5c: [certificate.toString('base64')] };
}

export function writeJwtAuthority({ keyId, publicKey }: Pick<JwtAuthority, 'keyId' | 'publicKey'>): JsonWebKey {
  return { use: 'jwt-svid', kid: keyId, ...publicMembers(publicKey.export({ format: 'jwk' })) };
}

export function writePlainKey(authority: Pick<JwtAuthority, 'keyId' | 'publicKey'>): JsonWebKey {
  const key = writeJwtAuthority(authority);
  const alg = { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' }[key.crv ?? ''] ?? 'RS256';
  return { ...key, use: 'sig', alg };
}

/** Nothing where there is no certificate or the kind of key is unknown; of several certificates, the first. */
export function readX509Authority(jwk: JsonObject): [] | [Buffer] {
  checkPublic(jwk);
  const { x5c } = jwk;
  const first = isArray(x5c) ? x5c[0] : undefined;
  if (!isKnown(jwk) || first === undefined) return [];
  const certificate = typeof first === 'string' ? decodeBase64(first) : undefined;
  if (certificate === undefined) throw refusal('jwk-certificate', 'its certificate is not standard base64');
  const certified = keyOf(parseCertificate(certificate)).export({ format: 'jwk' });
  if (!sameKey(jwk, certified)) throw refusal('jwk-certificate-key', 'its members are not those of its certificate');
  return [certificate];
}

/**
 * Nothing where there is no key ID, or where no JWT-SVID could be signed by a key of this kind. Bundles leave `alg` and
 * `key_ops` out (section 4.2); a key that has them is good for that and for nothing else (RFC 7517 section 4, R-JWT-1).
 */
export function readJwtAuthority(jwk: JsonObject): [] | [JwtAuthority] {
  const { kid, kty, alg, key_ops: operations } = jwk;
  checkPublic(jwk);
  if (!isKnown(jwk) || kty === 'OKP' || typeof kid !== 'string' || kid === '') return [];
  if (operations !== undefined && !(isArray(operations) && operations.includes('verify'))) return [];
  if (alg === undefined) return [{ keyId: kid, publicKey: importJwk(jwk) }];
  return isJwsAlgorithm(alg) ? [{ keyId: kid, publicKey: importJwk(jwk), algorithm: alg }] : [];
}

/** The public members of each kind that is known, in the order of RFC 7638. */
const membersOf: Readonly<Record<string, readonly string[]>> = {
  EC: ['crv', 'kty', 'x', 'y'],
  RSA: ['e', 'kty', 'n'],
  OKP: ['crv', 'kty', 'x'],
};
const curveBytes: Readonly<Record<string, number>> = { 'P-256': 32, 'P-384': 48, 'P-521': 66 };
const rsaBytes = { least: 256, most: 1024 };

const isKnown = ({ kty }: JsonObject): boolean => typeof kty === 'string' && Object.hasOwn(membersOf, kty);

function publicMembers(key: JsonWebKey): JsonWebKey {
  const members = membersOf[key.kty ?? ''] ?? [];
  return Object.fromEntries(members.map((member) => [member, key[member]]));
}

const sameKey = (jwk: JsonObject, key: JsonWebKey): boolean =>
  Object.entries(publicMembers(key)).every(([member, value]) => jwk[member] === value);

function checkPublic(jwk: JsonObject): void {
  // Not `k`, an unknown kind of key's: entries of unknown kinds are passed over.
  if (isKnown(jwk) && ['d', 'p', 'q'].some((member) => Object.hasOwn(jwk, member))) {
    throw refusal('jwk-private', 'it is a private key; whoever published it must replace it');
  }
}

function importJwk(jwk: JsonObject): KeyObject {
  const fault = jwk['kty'] === 'RSA' ? faultOfRsa(jwk) : faultOfEc(jwk);
  if (fault !== undefined) throw refusal('jwk-form', fault);
  try {
    return createPublicKey({ key: publicMembers(jwk as JsonWebKey), format: 'jwk' });
  } catch (cause) {
    throw refusal('jwk-form', 'it is not a point of its curve', cause);
  }
}

/** RFC 7518 section 6.2.1.2: as long as the curve's field, with leading zeros kept and no padding. */
function faultOfEc({ crv, x, y }: JsonObject): string | undefined {
  const length = typeof crv === 'string' && Object.hasOwn(curveBytes, crv) ? curveBytes[crv] : undefined;
  if (length === undefined) return 'its curve is not P-256, P-384 or P-521';
  const coordinates = [x, y].map((value) => (typeof value === 'string' ? decodeBase64Url(value) : undefined));
  return coordinates.every((one) => one?.length === length)
    ? undefined
    : 'a coordinate has the wrong length or encoding';
}

/** Section 6.3.1: unsigned, without leading zeros. */
function faultOfRsa({ n, e }: JsonObject): string | undefined {
  const [modulus, exponent] = [n, e].map((value) => (typeof value === 'string' ? decodeBase64Url(value) : undefined));
  if (!modulus?.[0] || !exponent?.[0]) return 'its modulus or exponent is missing or wrongly encoded';
  if (modulus.length < rsaBytes.least || modulus.length > rsaBytes.most) return 'it does not have 2048 to 8192 bits';
  if (isRoca(modulus)) return 'it can be factored (CVE-2017-15361)';
  const odd = ((exponent.at(-1) ?? 0) & 1) === 1;
  return odd && exponent.length <= 4 && !exponent.equals(Buffer.of(1))
    ? undefined
    : 'its exponent is even or out of range';
}

const refusal = (reason: JwkReason, detail: string, cause?: unknown): IdentityError =>
  new IdentityError('invalid-argument', `A key in the bundle is not valid: ${detail}`, { reason, cause });
