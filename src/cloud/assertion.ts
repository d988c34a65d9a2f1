import { createPublicKey, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, SignJWT } from 'jose';

export interface Client {
  readonly clientId: string;
  /** The authorisation server's issuer, or its token endpoint. */
  readonly audience: string;
  readonly key: KeyObject;
  /** DER, leaf first. */
  readonly certificates: readonly Buffer[];
}

const lifeSeconds = 60;
/** Clocks differ. */
const backSeconds = 10;

/**
 * `private_key_jwt` (RFC 7523 section 3): signed by the workload's own key, that of its X.509-SVID. Each process has another
 * key, so the certificates come with it (`x5c`, RFC 7515 section 4.1.6): a server that believes our authorities needs no
 * list of keys. Good for one use and one minute. The `kid` is the key's thumbprint (RFC 7638).
 */
export async function clientAssertion(
  { clientId, audience, key, certificates }: Client,
  now: number,
  jti: string,
): Promise<string> {
  const publicKey = await exportJWK(createPublicKey(key));
  const kid = await calculateJwkThumbprint(publicKey);
  const x5c = certificates.map((der) => der.toString('base64'));
  const seconds = Math.floor(now / 1_000);
  return new SignJWT({ jti })
    .setProtectedHeader({ alg: key.asymmetricKeyType === 'rsa' ? 'RS256' : 'ES256', typ: 'JWT', kid, x5c })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(audience)
    .setIssuedAt(seconds - backSeconds)
    .setExpirationTime(seconds + lifeSeconds)
    .sign(key);
}
