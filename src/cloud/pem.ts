/** Keys and certificates as files, in the forms that those who read them know. */
import type { KeyObject } from 'node:crypto';
import { encodePem } from '../x509/pem.ts';

/**
 * `pkcs8`: what nearly everybody takes. `traditional`: SEC 1 for EC and PKCS#1 for RSA keys, for libraries from before it.
 * `pkcs8-der`: what Java's driver for PostgreSQL takes.
 */
export const keyFormats = ['pkcs8', 'traditional', 'pkcs8-der'] as const;
export type KeyFormat = (typeof keyFormats)[number];

export function keyFile(key: KeyObject, format: KeyFormat): string | Buffer {
  if (format === 'pkcs8-der') return key.export({ type: 'pkcs8', format: 'der' });
  if (format === 'pkcs8') return key.export({ type: 'pkcs8', format: 'pem' });
  return key.export({ type: key.asymmetricKeyType === 'ec' ? 'sec1' : 'pkcs1', format: 'pem' });
}

export const certificatesPem = (certificates: readonly Uint8Array[]): string =>
  certificates.map((der) => encodePem('CERTIFICATE', der)).join('');
