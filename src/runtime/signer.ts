import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';

export type KeyType = 'ec-p256' | 'ec-p384' | 'rsa-2048' | 'rsa-4096';
/** ECDSA has two spellings: X.509 wants the DER sequence, JOSE wants r‖s (RFC 7518 section 3.4). RSA ignores it. */
export type SignatureForm = 'der' | 'jose';

/** A key as a verb. Software keys, PKCS#11 and KMS look the same from here; the private part never comes out. */
export interface Signer {
  readonly keyType: KeyType;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  /** SHA-256 (SHA-384 for P-384), PKCS#1 v1.5 for RSA. */
  sign(bytes: Uint8Array, form: SignatureForm): Promise<Buffer> | Buffer;
}

export const hashOf = (keyType: KeyType): 'sha256' | 'sha384' => (keyType === 'ec-p384' ? 'sha384' : 'sha256');

/** JOSE `alg` of signatures by such a key (RFC 7518 section 3.1). */
export const joseAlgorithm = (keyType: KeyType): 'ES256' | 'ES384' | 'RS256' =>
  keyType === 'ec-p256' ? 'ES256' : keyType === 'ec-p384' ? 'ES384' : 'RS256';

const generate = promisify(generateKeyPair);

export async function generateKey(keyType: KeyType): Promise<KeyObject> {
  const { privateKey } = keyType.startsWith('ec-')
    ? await generate('ec', { namedCurve: keyType === 'ec-p256' ? 'P-256' : 'P-384' })
    : await generate('rsa', { modulusLength: keyType === 'rsa-2048' ? 2048 : 4096 });
  return privateKey;
}

export const publicKeyOf = (privateKey: KeyObject): Buffer =>
  createPublicKey(privateKey).export({ type: 'spki', format: 'der' });

/** A signer over a key in this process's memory. */
export function softwareSigner(privateKey: KeyObject): Signer {
  const keyType = keyTypeOf(privateKey);
  const hash = hashOf(keyType);
  const elliptic = keyType.startsWith('ec-');
  return {
    keyType,
    publicKey: publicKeyOf(privateKey),
    sign: (bytes, form) => {
      if (!elliptic) return signInPool(hash, bytes, privateKey);
      const signature = sign(hash, bytes, privateKey);
      return form === 'der' ? signature : joseSignature(signature, keyType === 'ec-p256' ? 32 : 48);
    },
  };
}

export const signerOfPkcs8 = (der: Buffer): Signer =>
  softwareSigner(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));

/**
 * r‖s, each of `width` bytes, from the DER sequence of the two integers. Node does the same for `dsaEncoding`, and takes
 * twice as long for the whole signature when it is given any option.
 */
export function joseSignature(der: Buffer, width: number): Buffer {
  const joined = Buffer.alloc(2 * width);
  for (let at = 2, end = width; end <= 2 * width; end += width) {
    const length = der[at + 1] ?? 0;
    const integer = der.subarray(at + 2, at + 2 + length);
    const digits = integer.length > width ? integer.subarray(integer.length - width) : integer;
    joined.set(digits, end - digits.length);
    at += 2 + length;
  }
  return joined;
}

/** RSA costs a millisecond or more: it runs in the thread pool and leaves the event loop free. */
const signInPool = (hash: string, bytes: Uint8Array, key: KeyObject): Promise<Buffer> =>
  new Promise((resolve, reject) =>
    sign(hash, bytes, key, (error, signature) => (error ? reject(error) : resolve(signature))),
  );

function keyTypeOf(key: KeyObject): KeyType {
  const details = key.asymmetricKeyDetails;
  if (key.asymmetricKeyType === 'ec' && details?.namedCurve === 'prime256v1') return 'ec-p256';
  if (key.asymmetricKeyType === 'ec' && details?.namedCurve === 'secp384r1') return 'ec-p384';
  if (key.asymmetricKeyType === 'rsa' && details?.modulusLength === 2048) return 'rsa-2048';
  if (key.asymmetricKeyType === 'rsa' && details?.modulusLength === 4096) return 'rsa-4096';
  throw new TypeError(`no signer for a key of type ${key.asymmetricKeyType}`);
}
