import { createPublicKey, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, SignJWT } from 'jose';
import { algorithmOf } from './client-key.ts';

export interface Client {
  readonly clientId: string;
  /** The authorisation server's issuer, or its token endpoint. */
  readonly audience: string;
  readonly key: KeyObject;
  /** By which the server knows the key; its thumbprint (RFC 7638) where absent. */
  readonly kid?: string;
  /** Of the key: DER, leaf first; none where the server knows the key itself. */
  readonly certificates: readonly Buffer[];
}

const lifeSeconds = 60;
/** Clocks differ. */
const backSeconds = 10;

/**
 * `private_key_jwt` (RFC 7523 section 3): signed by the workload's own key, that of its X.509-SVID, or by one that the server
 * has in a list. Each process has another of the former, so the certificates come with it (`x5c`, RFC 7515 section 4.1.6): a
 * server that believes our authorities needs no list. Good for one use and one minute.
 */
export async function clientAssertion(
  { clientId, audience, key, certificates, ...named }: Client,
  now: number,
  jti: string,
): Promise<string> {
  const kid = named.kid ?? (await calculateJwkThumbprint(await exportJWK(createPublicKey(key))));
  const x5c = certificates.map((der) => der.toString('base64'));
  const seconds = Math.floor(now / 1_000);
  return new SignJWT({ jti })
    .setProtectedHeader({ alg: algorithmOf(key), typ: 'JWT', kid, ...(x5c.length === 0 ? {} : { x5c }) })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(audience)
    .setIssuedAt(seconds - backSeconds)
    .setExpirationTime(seconds + lifeSeconds)
    .sign(key);
}
