/** Signatures of certificates. One row per algorithm; what is not here is not accepted, SHA-1 and RSA-PSS among it. */
import { type KeyObject, verify } from 'node:crypto';
import type { KeyType } from '../runtime/signer.ts';
import type { Certificate } from './certificate.ts';
import { sequence } from './der-write.ts';
import { encodeOid, oid } from './oid.ts';
import { importPublicKey } from './public-key.ts';

interface Algorithm {
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null;
  /** What `KeyObject.asymmetricKeyType` says: the key decides how it verifies, not the certificate. */
  readonly key: 'ec' | 'rsa' | 'ed25519';
}

const algorithms: Readonly<Record<string, Algorithm>> = {
  [oid.ecdsaWithSha256]: { hash: 'sha256', key: 'ec' },
  [oid.ecdsaWithSha384]: { hash: 'sha384', key: 'ec' },
  [oid.ecdsaWithSha512]: { hash: 'sha512', key: 'ec' },
  [oid.sha256WithRsa]: { hash: 'sha256', key: 'rsa' },
  [oid.sha384WithRsa]: { hash: 'sha384', key: 'rsa' },
  [oid.sha512WithRsa]: { hash: 'sha512', key: 'rsa' },
  [oid.ed25519]: { hash: null, key: 'ed25519' },
};

const nullParameters = Buffer.of(5, 0);

/** AlgorithmIdentifier of what a `Signer` of this key type makes. RSA has NULL parameters, ECDSA none (RFC 4055, 5758). */
export function signatureAlgorithmOf(keyType: KeyType): Buffer {
  if (keyType === 'ec-p256') return sequence(encodeOid(oid.ecdsaWithSha256));
  if (keyType === 'ec-p384') return sequence(encodeOid(oid.ecdsaWithSha384));
  return sequence(encodeOid(oid.sha256WithRsa), nullParameters);
}

type Signed = Pick<Certificate, 'tbs' | 'signatureAlgorithm' | 'signature'>;
type Certified = Pick<Certificate, 'publicKey'>;

export function isSignedBy(certificate: Signed, issuer: Certified): boolean {
  const algorithm = algorithms[certificate.signatureAlgorithm];
  const key = keyOf(issuer);
  if (algorithm === undefined || key.asymmetricKeyType !== algorithm.key) return false;
  return verify(algorithm.hash, certificate.tbs, key, certificate.signature);
}

const keys = new WeakMap<Certified, KeyObject>();

/** Imported once for each parsed certificate. */
export function keyOf(certificate: Certified): KeyObject {
  const key = keys.get(certificate) ?? importPublicKey(certificate.publicKey);
  keys.set(certificate, key);
  return key;
}
