/** The nine algorithms of JWT-SVIDs (JWT-SVID section 2.1, RFC 7518 section 3): one row each, nothing else enumerates them. */
import { constants, type KeyObject, verify } from 'node:crypto';

interface Row {
  readonly hash: 'sha256' | 'sha384' | 'sha512';
  /** OpenSSL's name of the one curve that goes with it; RSA has none. */
  readonly curve?: string;
  /** r and s side by side, each as long as the curve's order (section 3.4). */
  readonly signatureBytes?: number;
  /** RSASSA-PSS: the salt is as long as the hash (section 3.5). */
  readonly saltBytes?: number;
}

const rows = {
  ES256: { hash: 'sha256', curve: 'prime256v1', signatureBytes: 64 },
  ES384: { hash: 'sha384', curve: 'secp384r1', signatureBytes: 96 },
  ES512: { hash: 'sha512', curve: 'secp521r1', signatureBytes: 132 },
  RS256: { hash: 'sha256' },
  RS384: { hash: 'sha384' },
  RS512: { hash: 'sha512' },
  PS256: { hash: 'sha256', saltBytes: 32 },
  PS384: { hash: 'sha384', saltBytes: 48 },
  PS512: { hash: 'sha512', saltBytes: 64 },
} as const satisfies Record<string, Row>;

export type JwsAlgorithm = keyof typeof rows;

export const isJwsAlgorithm = (name: unknown): name is JwsAlgorithm =>
  typeof name === 'string' && Object.hasOwn(rows, name);

/** The key record says what it is good for; a header that asks it for anything else is refused (R-JWT-1). */
export function fits(algorithm: JwsAlgorithm, key: KeyObject): boolean {
  const row: Row = rows[algorithm];
  if (key.type !== 'public') return false;
  return row.curve === undefined
    ? key.asymmetricKeyType === 'rsa'
    : key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === row.curve;
}

/** Only for a key that fits. */
export function signatureHolds(
  algorithm: JwsAlgorithm,
  key: KeyObject,
  signed: Uint8Array,
  signature: Buffer,
): boolean {
  const row: Row = rows[algorithm];
  if (row.signatureBytes !== undefined) {
    if (signature.length !== row.signatureBytes) return false;
    return verify(row.hash, signed, { key, dsaEncoding: 'ieee-p1363' }, signature);
  }
  if (row.saltBytes === undefined) return verify(row.hash, signed, key, signature);
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return verify(row.hash, signed, { key, padding, saltLength: row.saltBytes }, signature);
}

/** Of a signature in a token: exact for ECDSA, and for RSA that of a key of 4096 bits. */
export function signatureCharacters(algorithm: JwsAlgorithm): number {
  const row: Row = rows[algorithm];
  return Math.ceil(((row.signatureBytes ?? 512) * 4) / 3);
}
