/** A JWT-SVID taken apart: form, header and claims (JWT-SVID sections 1 to 3). No key, no time, no audience. */
import { IdentityError } from '../errors.ts';
import { decodeBase64Url } from './base64.ts';
import { SpiffeId } from './id.ts';
import { isArray, isObject, type Json, type JsonObject, parseJson } from './json.ts';
import { isJwsAlgorithm, type JwsAlgorithm } from './jws-algorithms.ts';

export interface JwtSvid {
  readonly id: SpiffeId;
  readonly audience: readonly string[];
  readonly expiresAt: number;
  readonly issuedAt: number | undefined;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly token: string;
  readonly keyId: string | undefined;
}

export type JwtSvidReason =
  | 'revoked'
  | 'token-too-large'
  | 'token-form'
  | 'token-encoding'
  | 'token-json'
  | 'header-alg'
  | 'header-typ'
  | 'header-kid'
  | 'header-member'
  | 'claim-sub'
  | 'claim-aud'
  | 'claim-exp'
  | 'claim-type'
  | 'claim-order'
  | 'unknown-trust-domain'
  | 'unknown-key'
  | 'key-unfit'
  | 'signature'
  | 'expired'
  | 'not-yet-valid'
  | 'issued-in-the-future'
  | 'audience';

/** Before anything is decoded (SE-27). */
const longestToken = 16 * 1024;
/** The end of the year 9999. */
const lastSecond = 253_402_300_799;

/** The token as a JSON Web Signature, whatever it carries. */
export interface Jws {
  readonly algorithm: JwsAlgorithm;
  readonly keyId: string | undefined;
  readonly payload: Buffer;
  readonly signed: Buffer;
  readonly signature: Buffer;
}

export interface JwtToken {
  readonly svid: JwtSvid;
  readonly jws: Jws;
}

/** Checks run in the order of the standard; the first that fails ends it. */
export function readToken(token: string): JwtToken {
  const jws = readJws(token);
  return { svid: { ...readClaims(readObject(jws.payload)), token, keyId: jws.keyId }, jws };
}

/** Compact serialization alone (RFC 7515 section 7.1), and a header without anything that we would have to obey. */
export function readJws(token: string): Jws {
  if (token.length > longestToken) throw refuseToken('token-too-large');
  const [header, payload, signature, ...more] = token.split('.');
  if (header === undefined || payload === undefined || signature === undefined || more.length > 0) {
    throw refuseToken('token-form');
  }
  const signed = Buffer.from(token.slice(0, header.length + 1 + payload.length), 'latin1');
  const fields = readHeader(readObject(readPart(header)));
  return { ...fields, payload: readPart(payload), signed, signature: readPart(signature) };
}

function readPart(text: string): Buffer {
  const bytes = decodeBase64Url(text);
  if (bytes === undefined || bytes.length === 0) throw refuseToken('token-encoding');
  return bytes;
}

function readObject(bytes: Buffer): JsonObject {
  try {
    const value = parseJson(bytes);
    if (isObject(value)) return value;
  } catch (cause) {
    throw refuseToken('token-json', cause);
  }
  throw refuseToken('token-json');
}

const headerMembers: ReadonlySet<string> = new Set(['alg', 'kid', 'typ']);

/** Section 2: three members and no others, so `crit`, `jku`, `jwk`, `x5c` and their like cannot mean anything. */
function readHeader(header: JsonObject): { algorithm: JwsAlgorithm; keyId: string | undefined } {
  const { alg, typ, kid } = header;
  if (!isJwsAlgorithm(alg)) throw refuseToken('header-alg');
  if (Object.hasOwn(header, 'typ') && typ !== 'JWT' && typ !== 'JOSE') throw refuseToken('header-typ');
  if (!Object.keys(header).every((member) => headerMembers.has(member))) throw refuseToken('header-member');
  if (kid !== undefined && (typeof kid !== 'string' || kid === '')) throw refuseToken('header-kid');
  return { algorithm: alg, keyId: kid };
}

type Claims = Omit<JwtSvid, 'token' | 'keyId'>;

function readClaims(claims: JsonObject): Claims {
  const id = readSubject(claims['sub']);
  const audience = readAudience(claims['aud']);
  const expiresAt = readSeconds(claims['exp']);
  if (expiresAt === undefined) throw refuseToken('claim-exp');
  const issuedAt = optional(claims, 'iat', readSeconds);
  const notBefore = optional(claims, 'nbf', readSeconds);
  for (const name of ['iss', 'jti']) optional(claims, name, (value) => (typeof value === 'string' ? value : undefined));
  if ((issuedAt ?? 0) > expiresAt || (notBefore ?? 0) > expiresAt) throw refuseToken('claim-order');
  return { id, audience, expiresAt, issuedAt, claims };
}

function readSubject(sub: Json | undefined): SpiffeId {
  if (typeof sub !== 'string') throw refuseToken('claim-sub');
  try {
    return SpiffeId.parseWorkload(sub);
  } catch (cause) {
    throw refuseToken('claim-sub', cause);
  }
}

/** RFC 7519 section 4.1.3: one string or several. */
function readAudience(aud: Json | undefined): readonly string[] {
  const values = isArray(aud) ? aud : [aud];
  if (values.length === 0) throw refuseToken('claim-aud');
  return values.map((value) => {
    if (typeof value !== 'string' || value === '') throw refuseToken('claim-aud');
    return value;
  });
}

/** NumericDate, in milliseconds; a part of a millisecond is dropped. */
function readSeconds(value: Json | undefined): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= lastSecond ? Math.floor(value * 1000) : undefined;
}

/** Absent, or of the right type. */
function optional<T>(
  claims: JsonObject,
  name: string,
  parse: (value: Json | undefined) => T | undefined,
): T | undefined {
  if (!Object.hasOwn(claims, name)) return undefined;
  const value = parse(claims[name]);
  if (value === undefined) throw refuseToken('claim-type');
  return value;
}

/** The one who presents a token reads one sentence, whatever was wrong; the operator reads the reason. */
export const refuseToken = (reason: JwtSvidReason, cause?: unknown): IdentityError =>
  new IdentityError('invalid-argument', 'The JWT-SVID is not valid', { reason, cause });
