/**
 * A key that an authorisation server knows us by. It is one of the few things here that stay: only for servers that take a list
 * of keys and nothing else, because the key of an SVID is another one in each process.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, type JWK } from 'jose';
import { IdentityError } from '../errors.ts';

export interface ClientKey {
  readonly key: KeyObject;
  readonly kid: string;
}

export const longestKeyFile = 16 * 1024;

/** PEM or a JWK; `path` is for the error. @throws IdentityError 'invalid-argument' */
export async function readClientKey(text: string, path: string): Promise<ClientKey> {
  const [key, named] = privateKeyIn(text, path);
  algorithmOf(key, path);
  return { key, kid: named ?? (await calculateJwkThumbprint(await exportJWK(createPublicKey(key)))) };
}

/** What the server is to be told: a JWK set with the public half. */
export async function publicKeys({ key, kid }: ClientKey): Promise<{ readonly keys: readonly JWK[] }> {
  const jwk = await exportJWK(createPublicKey(key));
  return { keys: [{ ...jwk, kid, use: 'sig', alg: algorithmOf(key) }] };
}

/** A new one, PEM. */
export function newClientKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** The one algorithm that a key is for (RFC 7518 section 3.1). */
export function algorithmOf(key: KeyObject, path = 'the key'): 'ES256' | 'ES384' | 'RS256' {
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (namedCurve === 'prime256v1') return 'ES256';
  if (namedCurve === 'secp384r1') return 'ES384';
  if (key.asymmetricKeyType === 'rsa' && modulusLength >= 2_048) return 'RS256';
  throw new IdentityError('invalid-argument', `${path} is of no kind that is taken: P-256, P-384, RSA from 2048 bits`);
}

function privateKeyIn(text: string, path: string): [KeyObject, string | undefined] {
  try {
    if (!text.trimStart().startsWith('{')) return [createPrivateKey(text), undefined];
    const jwk = JSON.parse(text) as JWK & { readonly kid?: unknown };
    const kid = typeof jwk.kid === 'string' && jwk.kid !== '' ? jwk.kid : undefined;
    return [createPrivateKey({ key: { ...jwk }, format: 'jwk' }), kid];
  } catch {
    // What the parser says may have parts of the file in it.
    throw new IdentityError('invalid-argument', `${path} holds no private key: PEM without a password, or a JWK`);
  }
}
