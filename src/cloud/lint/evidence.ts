/** What a relying party would see of us: two documents, a token, an SVID. Fetched once, judged by many rules. */
import type { X509Certificate } from 'node:crypto';
import { IdentityError } from '../../errors.ts';
import { type Clock, elapsed } from '../../runtime/clock.ts';
import type { Random } from '../../runtime/random.ts';
import { isArray, isObject, type JsonObject, parseJson } from '../../spiffe/json.ts';
import { askRelyingParty } from '../http.ts';

export interface Document {
  readonly url: string;
  readonly ms: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: JsonObject;
}

/** What was looked for, or why it could not be had. */
export type Found<T> =
  | { readonly value: T; readonly problem?: undefined }
  | { readonly value?: undefined; readonly problem: string };

export interface SampleToken {
  readonly text: string;
  readonly header: JsonObject;
  readonly claims: JsonObject;
}

export interface Evidence {
  readonly issuer: string;
  /** The issuer's certificate is believed because the caller said so, not because the public does. */
  readonly ownRoots: boolean;
  readonly now: number;
  readonly discovery: Found<Document>;
  readonly keys: Found<Document>;
  readonly token: Found<SampleToken>;
  /** Leaf first. */
  readonly svid: Found<readonly X509Certificate[]>;
}

export interface GatherParts {
  readonly issuer: string;
  readonly ca: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
}

/** Both documents as they are, from where a relying party would have them. */
export async function fetchDocuments(parts: GatherParts): Promise<Pick<Evidence, 'discovery' | 'keys'>> {
  const discovery = await fetched(`${parts.issuer}/.well-known/openid-configuration`, parts);
  const uri = discovery.problem === undefined ? discovery.value.body['jwks_uri'] : undefined;
  if (typeof uri === 'string') return { discovery, keys: await fetched(uri, parts) };
  return { discovery, keys: { problem: discovery.problem ?? 'discovery has no jwks_uri' } };
}

async function fetched(url: string, { ca, clock, random, signal }: GatherParts): Promise<Found<Document>> {
  const begun = elapsed();
  try {
    const request = { url, accepts: 'json', attempts: 1, ...(ca === undefined ? {} : { ca }) } as const;
    const { headers, body, status } = await askRelyingParty(request, signal, { clock, random });
    if (status !== 200) return { problem: `${url} answers with status ${status}` };
    return { value: { url, ms: elapsed() - begun, headers, body: objectOf(body) } };
  } catch (error) {
    if (error instanceof IdentityError) return { problem: error.message };
    throw error;
  }
}

function objectOf(text: string): JsonObject {
  const value = parseJson(Buffer.from(text));
  if (isObject(value)) return value;
  throw new IdentityError('invalid-argument', 'it is not a JSON object');
}

/** @throws IdentityError where it is not a token at all */
export function readSample(text: string): SampleToken {
  const [header = '', claims = '', signature, ...more] = text.split('.');
  if (signature === undefined || more.length > 0)
    throw new IdentityError('invalid-argument', 'the sample is not a JWT');
  const part = (encoded: string): JsonObject => objectOf(Buffer.from(encoded, 'base64url').toString());
  return { text, header: part(header), claims: part(claims) };
}

/** Members that are objects, in order. */
export function keysIn({ keys }: Evidence): readonly JsonObject[] {
  const listed = keys.problem === undefined ? keys.value.body['keys'] : undefined;
  return isArray(listed) ? listed.filter(isObject) : [];
}
