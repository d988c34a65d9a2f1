/**
 * Trust bundles and JWK sets (SPIFFE Trust Domain and Bundle section 4). The trust domain's name is never in the
 * document: it is told, and kept beside what the document holds.
 */
import type { KeyObject } from 'node:crypto';
import { IdentityError } from '../errors.ts';
import type { TrustDomain } from './id.ts';
import { isArray, isObject, type Json, type JsonObject, parseJson } from './json.ts';
import { readJwtAuthority, readX509Authority, writeJwtAuthority, writePlainKey, writeX509Authority } from './jwk.ts';
import type { JwsAlgorithm } from './jws-algorithms.ts';

export interface JwtAuthority {
  readonly keyId: string;
  readonly publicKey: KeyObject;
  /** The only one that the key is good for, where the document says so. */
  readonly algorithm?: JwsAlgorithm;
}

export interface Bundle {
  readonly trustDomain: TrustDomain;
  /** CA certificates, DER. */
  readonly x509Authorities: readonly Buffer[];
  readonly jwtAuthorities: readonly JwtAuthority[];
  readonly sequence: bigint | undefined;
  readonly refreshHintSeconds: number | undefined;
}

/**
 * A bundle document. Entries of a kind that is not known are passed over; one that claims a kind we know and is broken
 * refuses the document, so that the old bundle stays. No keys at all is a valid bundle that revokes everything.
 */
export function parseBundle(trustDomain: TrustDomain, document: Uint8Array | string): Bundle {
  return readBundle(trustDomain, parseJson(document, { bigIntegers: true }));
}

export function readBundle(trustDomain: TrustDomain, document: Json): Bundle {
  const { set, keys } = readKeySet(document);
  return {
    trustDomain,
    x509Authorities: different(keys.flatMap((key) => (key['use'] === 'x509-svid' ? readX509Authority(key) : []))),
    jwtAuthorities: distinct(keys.flatMap((key) => (key['use'] === 'jwt-svid' ? readJwtAuthority(key) : []))),
    sequence: readSequence(set['spiffe_sequence']),
    refreshHintSeconds: readRefreshHint(set['spiffe_refresh_hint']),
  };
}

/** The JWK set of the Workload API. The reference server leaves `use` out of it. */
export function parseJwks(_trustDomain: TrustDomain, document: Uint8Array | string): readonly JwtAuthority[] {
  const { keys } = readKeySet(parseJson(document, { bigIntegers: true }));
  return distinct(
    keys.flatMap((key) => (key['use'] === undefined || key['use'] === 'jwt-svid' ? readJwtAuthority(key) : [])),
  );
}

/** The same bundle is the same text, member by member. */
export function formatBundle(bundle: Bundle): string {
  const keys = [...bundle.x509Authorities.map(writeX509Authority), ...bundle.jwtAuthorities.map(writeJwtAuthority)];
  const members = [`"keys":${JSON.stringify(keys)}`];
  if (bundle.sequence !== undefined) members.push(`"spiffe_sequence":${bundle.sequence}`);
  if (bundle.refreshHintSeconds !== undefined) members.push(`"spiffe_refresh_hint":${bundle.refreshHintSeconds}`);
  return `{${members.join(',')}}`;
}

export const formatJwks = (jwtAuthorities: readonly JwtAuthority[]): string =>
  JSON.stringify({ keys: jwtAuthorities.map(writeJwtAuthority) });

/** The same keys for whoever knows JWT and not SPIFFE: `use` and `alg` as RFC 7517 section 4 names them. */
export const formatPlainJwks = (jwtAuthorities: readonly JwtAuthority[]): string =>
  JSON.stringify({ keys: jwtAuthorities.map(writePlainKey) });

export type BundleReason = 'bundle-form' | 'bundle-sequence' | 'bundle-key-id';

function readKeySet(document: Json): { set: JsonObject; keys: readonly JsonObject[] } {
  const keys = isObject(document) ? document['keys'] : undefined;
  if (!isObject(document) || !isArray(keys)) throw refusal('bundle-form', 'it has no list of keys');
  if (!keys.every(isObject)) throw refusal('bundle-form', 'one of its keys is not an object');
  return { set: document, keys };
}

/** A certificate that stands there twice is one: else a document could grow on its way to every workload. */
const different = (certificates: readonly Buffer[]): readonly Buffer[] => [
  ...new Map(certificates.map((certificate) => [certificate.toString('latin1'), certificate])).values(),
];

/** A key ID that means two keys means none. */
function distinct(authorities: readonly JwtAuthority[]): readonly JwtAuthority[] {
  if (new Set(authorities.map(({ keyId }) => keyId)).size < authorities.length) {
    throw refusal('bundle-key-id', 'two of its keys have the same ID');
  }
  return authorities;
}

/** 64 bits, unsigned: as wide as the clients read it. */
function readSequence(value: Json | undefined): bigint | undefined {
  if (value === undefined) return undefined;
  const integer = typeof value === 'bigint' || Number.isSafeInteger(value) ? BigInt(value as bigint | number) : -1n;
  if (integer < 0n || integer >= 1n << 64n) throw refusal('bundle-sequence', 'its sequence is not an unsigned integer');
  return integer;
}

/** Only a hint: one that cannot be followed is as if it were not there. Whoever polls has a floor and a ceiling. */
const readRefreshHint = (value: Json | undefined): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : undefined;

const refusal = (reason: BundleReason, detail: string): IdentityError =>
  new IdentityError('invalid-argument', `The bundle is not valid: ${detail}`, { reason });
