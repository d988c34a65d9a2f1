/** Tokens by the issuer's own key and by others', each wrong in one thing. */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
  verify,
} from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeJwt, decodeProtectedHeader, type JWTHeaderParameters, SignJWT, UnsecuredJWT } from 'jose';

export interface Forged {
  readonly what: string;
  readonly token: string;
}

export interface Forge {
  /** As the issuer would sign it, but for what is given: so that a refusal is for that alone. */
  as(claims: object, header?: Partial<JWTHeaderParameters>, key?: KeyObject): Promise<string>;
  readonly refused: Promise<readonly Forged[]>;
}

/** @param token a good one */
export function forgeBeside(token: string, dataDirectory: string): Forge {
  const header = decodeProtectedHeader(token) as JWTHeaderParameters;
  const claims = decodeJwt(token);
  const now = Math.floor(Date.now() / 1_000);
  const own = keyOf(token, dataDirectory);
  const as: Forge['as'] = (more, other = {}, key = own) =>
    new SignJWT({ ...claims, jti: randomUUID(), ...more }).setProtectedHeader({ ...header, ...other }).sign(key);
  return { as, refused: everyFault(as, token, { now, own, header }) };
}

interface Own {
  readonly now: number;
  readonly own: KeyObject;
  readonly header: JWTHeaderParameters;
}

async function everyFault(as: Forge['as'], token: string, { now, own, header }: Own): Promise<readonly Forged[]> {
  const { privateKey: foreign } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { privateKey: rsa } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const issuer = String(decodeJwt(token).iss);
  const publicPem = createPublicKey(own).export({ type: 'spki', format: 'pem' });
  const hmac = new SignJWT(decodeJwt(token)).setProtectedHeader({ ...header, alg: 'HS256' });
  return [
    { what: 'another audience', token: await as({ aud: 'reports' }) },
    { what: 'another subject', token: await as({ sub: 'spiffe://example.org/other' }) },
    { what: 'expired', token: await as({ iat: now - 600, nbf: now - 600, exp: now - 1 }) },
    { what: 'not yet valid', token: await as({ nbf: now + 120, iat: now }) },
    { what: 'claims changed after the signature', token: tampered(token) },
    { what: 'a key that nobody published, under a kid of its own', token: await as({}, { kid: 'nobody' }, foreign) },
    { what: 'a key that nobody published, under our kid', token: await as({}, {}, foreign) },
    { what: 'another issuer', token: await as({ iss: 'https://id.other.example' }) },
    { what: 'the issuer with a slash more', token: await as({ iss: `${issuer}/` }) },
    { what: 'RS256 by a key of that kind that is not ours', token: await as({}, { alg: 'RS256' }, rsa) },
    { what: 'HS256 with our public key as the secret', token: await hmac.sign(Buffer.from(publicPem)) },
    { what: 'no signature at all', token: new UnsecuredJWT(decodeJwt(token)).encode() },
    { what: 'a line feed after it', token: `${token}\n` },
  ];
}

function tampered(token: string): string {
  const [header, , signature] = token.split('.');
  const claims = Buffer.from(JSON.stringify({ ...decodeJwt(token), exp: Math.floor(Date.now() / 1_000) + 86_400 }));
  return [header, claims.toString('base64url'), signature].join('.');
}

/** The one of the data directory's keys that has signed it. */
function keyOf(token: string, directory: string): KeyObject {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
  const texts = files.map((file) => readFileSync(join(file.parentPath, file.name), 'latin1'));
  const pem = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/g;
  const keys = texts.flatMap((text) => text.match(pem) ?? []).map((block) => createPrivateKey(block));
  const at = token.lastIndexOf('.');
  const [input, signature] = [Buffer.from(token.slice(0, at)), Buffer.from(token.slice(at + 1), 'base64url')];
  const holds = (key: KeyObject): boolean =>
    key.asymmetricKeyType === 'ec' &&
    verify('sha256', input, { key: createPublicKey(key), dsaEncoding: 'ieee-p1363' }, signature);
  const found = keys.find(holds);
  if (found === undefined) throw new Error('no key in the data directory has signed this token');
  return found;
}
