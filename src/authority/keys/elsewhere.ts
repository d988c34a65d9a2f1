/** What keys have in common that are not in this process: names, and signatures that are looked at before they are used. */
import { createPublicKey, hash, verify } from 'node:crypto';
import { IdentityError } from '../../errors.ts';
import { hashOf, joseSignature, type KeyType, type Signer } from '../../runtime/signer.ts';

/** How a place that others use as well tells our keys from theirs. */
export interface Naming {
  /** The name there. */
  full(name: string): string;
  /** Our name; undefined for what is not ours. */
  short(full: string): string | undefined;
}

export const naming = (prefix: string): Naming => ({
  full: (name) => {
    if (!nameShape.test(name)) throw new TypeError('a key is named by its kind and its id');
    return `${prefix}${name}`;
  },
  short: (full) => {
    const name = full.startsWith(prefix) ? full.slice(prefix.length) : '';
    return nameShape.test(name) ? name : undefined;
  },
});

const nameShape = /^(?:x509|jwt|jwt-rsa)-[0-9a-f]{32}$/;

export interface DistantKey {
  readonly keyType: KeyType;
  readonly publicKey: Buffer;
  /** For messages: where the key is. */
  readonly place: string;
  /** @param digest of what is to be signed. @returns DER for ECDSA, PKCS#1 v1.5 for RSA */
  signDigest(digest: Buffer): Promise<Buffer>;
}

/**
 * Signs digests somewhere else. Each signature is verified with the key that was published before anybody sees it: what
 * is at the other end may have been exchanged since it was last asked.
 */
export function distantSigner({ keyType, publicKey, place, signDigest }: DistantKey): Signer {
  const algorithm = hashOf(keyType);
  const key = createPublicKey({ key: publicKey, format: 'der', type: 'spki' });
  const width = keyType === 'ec-p256' ? 32 : 48;
  return {
    keyType,
    publicKey,
    sign: async (bytes, form) => {
      const signature = await signDigest(hash(algorithm, bytes, 'buffer'));
      if (!verify(algorithm, bytes, key, signature)) throw doubtful(place);
      return form === 'jose' && keyType.startsWith('ec-') ? joseSignature(signature, width) : signature;
    },
  };
}

const doubtful = (place: string): IdentityError =>
  new IdentityError('unavailable', `${place} answered with a signature that is not of the key that was published`, {
    reason: 'key-doubtful',
  });

/** The key was there and is not: whoever took it away can bring it back, and the authority is succeeded if nobody does. */
export const keyGone = (name: string, place: string): IdentityError =>
  new IdentityError('unavailable', `the key ${name} is not in ${place} any more`, { reason: 'key-missing' });

/** The type of a public key, SubjectPublicKeyInfo; undefined for one that we never make. */
export function keyTypeOfPublic(publicKey: Buffer): KeyType | undefined {
  const { asymmetricKeyType, asymmetricKeyDetails } = createPublicKey({ key: publicKey, format: 'der', type: 'spki' });
  if (asymmetricKeyType === 'ec') return curves[asymmetricKeyDetails?.namedCurve ?? ''];
  return asymmetricKeyType === 'rsa' ? moduli[asymmetricKeyDetails?.modulusLength ?? 0] : undefined;
}

const curves: Readonly<Record<string, KeyType>> = { prime256v1: 'ec-p256', secp384r1: 'ec-p384' };
const moduli: Readonly<Record<number, KeyType>> = { 2048: 'rsa-2048', 4096: 'rsa-4096' };
