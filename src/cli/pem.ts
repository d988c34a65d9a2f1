import { X509Certificate } from 'node:crypto';

/** Lower-case hexadecimal. */
export const serialOf = (der: Uint8Array | undefined): string =>
  der === undefined ? '' : new X509Certificate(der).serialNumber.toLowerCase();

/** RFC 7468 section 5: a certificate as text. */
export function certificatePem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
