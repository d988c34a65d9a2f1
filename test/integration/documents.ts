/** Certificates and tokens as Node's own crypto reads them: judges that share no code with what made them. */
import { createPublicKey, X509Certificate } from 'node:crypto';
import { first } from './fixture.ts';

/** Splits concatenated DER by the outer lengths. */
export function certificates(concatenated: Buffer): X509Certificate[] {
  const found: X509Certificate[] = [];
  for (let at = 0; at < concatenated.length; ) {
    const lengthByte = concatenated[at + 1] ?? 0;
    const octets = lengthByte < 0x80 ? 0 : lengthByte & 0x7f;
    const length = octets === 0 ? lengthByte : concatenated.readUIntBE(at + 2, octets);
    const end = at + 2 + octets + length;
    if (concatenated[at] !== 0x30 || end > concatenated.length) throw new Error(`no certificate at byte ${at}`);
    found.push(new X509Certificate(concatenated.subarray(at, end)));
    at = end;
  }
  return found;
}

export const leafOf = (x509Svid: Buffer): X509Certificate => first(certificates(x509Svid));

/** Which of the roots signed it. */
export function issuerAmong(leaf: X509Certificate, roots: Buffer): X509Certificate | undefined {
  return certificates(roots).find((root) => leaf.checkIssued(root) && leaf.verify(root.publicKey));
}

export const isoTime = (certificate: X509Certificate): { notBefore: number; notAfter: number } => ({
  notBefore: Date.parse(certificate.validFrom),
  notAfter: Date.parse(certificate.validTo),
});

export interface Token {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>> & { readonly exp: number; readonly iat: number };
}

export function readToken(token: string): Token {
  const [header = '', claims = ''] = token.split('.');
  return { header: json(header), claims: json(claims) as Token['claims'] };
}

const json = (part: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(part, 'base64url').toString('utf8')) as Record<string, unknown>;

export interface Jwk {
  readonly kid: string;
  readonly kty: string;
  readonly [member: string]: unknown;
}

export const jwks = (bytes: Buffer | undefined): readonly Jwk[] =>
  (JSON.parse((bytes ?? Buffer.from('{}')).toString('utf8')) as { keys: Jwk[] }).keys;

export const publicKeyOf = (jwk: Jwk): string =>
  createPublicKey({ key: jwk as never, format: 'jwk' })
    .export({ type: 'spki', format: 'pem' })
    .toString();
