/** Signs what is a digest already, as services that hold keys do; Node hashes whatever it is given, so openssl does it. */
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function signDigest(key: KeyObject, digest: Buffer): Buffer {
  const directory = mkdtempSync(join(tmpdir(), 'mayfly-sign-'));
  try {
    const path = join(directory, 'key.pem');
    writeFileSync(path, key.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    const rsa = key.asymmetricKeyType === 'rsa' ? ['-pkeyopt', 'digest:sha256'] : [];
    return execFileSync('openssl', ['pkeyutl', '-sign', '-inkey', path, ...rsa], { input: digest });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** By the sizes that all services put into their names: 256 or 384 bits of a curve, 2048 or 4096 of a modulus. */
export const pairOf = (bits: number): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } =>
  bits > 1000
    ? generateKeyPairSync('rsa', { modulusLength: bits })
    : generateKeyPairSync('ec', { namedCurve: `P-${bits}` });
