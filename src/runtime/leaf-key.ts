import { generateKeyPairSync } from 'node:crypto';

/** A workload's own key pair, made for one SVID and never used for another (SE-13). */
export interface LeafKey {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  /** PKCS#8, DER, unencrypted: what the Workload API hands out. */
  readonly privateKey: Buffer;
}

/** P-256: every SPIFFE client takes it, and a pair costs some 30 µs, less than a trip to the thread pool. */
export const newLeafKey = (): LeafKey =>
  generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
  });
