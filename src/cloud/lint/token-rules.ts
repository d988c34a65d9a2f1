/** Rules about a token, each as the relying party would judge it. */
import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { isArray, type JsonObject } from '../../spiffe/json.ts';
import { fits, isJwsAlgorithm, signatureHolds } from '../../spiffe/jws-algorithms.ts';
import { type Evidence, keysIn, type SampleToken } from './evidence.ts';
import type { Party } from './parties.ts';
import type { Rule } from './rules.ts';

type TokenFault = (token: SampleToken, party: Party, evidence: Evidence) => string | undefined;

const rule = (name: string, fault: TokenFault, fix: string): Rule => ({
  ...{ name, fix, needs: 'token' },
  applies: ({ byCertificate }) => byCertificate !== true,
  fault: (evidence, party) => evidence.token.value && fault(evidence.token.value, party, evidence),
});

export const tokenRules: readonly Rule[] = [
  rule(
    'algorithm',
    ({ header }, { algorithms }) =>
      algorithms.includes(String(header['alg']))
        ? undefined
        : `${String(header['alg'])}, and it takes ${algorithms.join(', ')}`,
    'mayfly audience set NAME --audience AUD --algorithm RS256; kube-apiserver: --oidc-signing-algs=ES256,RS256 instead',
  ),
  rule(
    'algorithm-announced',
    ({ header }, _, { discovery }) => {
      const listed = discovery.value?.body['id_token_signing_alg_values_supported'];
      return isArray(listed) && listed.includes(header['alg'] ?? '')
        ? undefined
        : 'discovery does not list its algorithm';
    },
    'serve the discovery document that mayfly writes: verifiers take their list from it',
  ),
  rule(
    'kid',
    ({ header }, _, evidence) => {
      if (typeof header['kid'] !== 'string') return 'it has no kid';
      return keysIn(evidence).some(({ kid }) => kid === header['kid']) ? undefined : 'its kid is not in the key set';
    },
    'serve the newest key set; an export or a cache is behind',
  ),
  rule('signature', faultOfSignature, 'the key set has another key under that kid: serve what mayfly serves'),
  rule(
    'typ',
    ({ header }) => (header['typ'] === 'JWT' ? undefined : `it is ${JSON.stringify(header['typ'])}`),
    'have the token issued by mayfly: typ is JWT',
  ),
  rule(
    'iss',
    ({ claims }, _, { issuer }) => (claims['iss'] === issuer ? undefined : `it says ${JSON.stringify(claims['iss'])}`),
    'set `issuer`: it is compared byte for byte',
  ),
  rule(
    'aud',
    ({ claims }, { audience }) => {
      const { aud } = claims;
      if (typeof aud !== 'string') return 'it is a list; some take a string only';
      return audience === undefined || audience.test(aud)
        ? undefined
        : `${JSON.stringify(aud)} is not one that it takes`;
    },
    'ask for one audience, the one that is registered there',
  ),
  rule(
    'sub',
    ({ claims }, { longestSub }) => {
      if (typeof claims['sub'] !== 'string') return 'it has none';
      const bytes = Buffer.byteLength(claims['sub']);
      return bytes <= longestSub ? undefined : `${bytes} bytes, and ${longestSub} is the most`;
    },
    'register a shorter SPIFFE ID, or map a part of it there (Google Cloud: google.subject from an extracted path)',
  ),
  rule(
    'times',
    faultOfTimes,
    'have the token issued by mayfly and set the clocks right: it begins ten seconds in the past',
  ),
  rule('life', faultOfLife, 'mayfly audience set NAME --ttl DURATION, and the jwt-ttl of the entry'),
  rule(
    'azp',
    ({ claims }) => ('azp' in claims ? 'AWS takes it for the audience' : undefined),
    'leave azp out of the claims of this audience',
  ),
  rule(
    'size',
    ({ text }, { longestToken }) =>
      text.length <= longestToken ? undefined : `${text.length} bytes, and ${longestToken} is the most`,
    'shorter SPIFFE ID, fewer claims',
  ),
  rule(
    'jti',
    ({ claims }) => (typeof claims['jti'] === 'string' ? undefined : 'it has none'),
    'have it issued by mayfly',
  ),
];

function faultOfSignature({ text, header }: SampleToken, _: Party, evidence: Evidence): string | undefined {
  const jwk = keysIn(evidence).find(({ kid }) => kid === header['kid']);
  const { alg } = header;
  if (jwk === undefined || !isJwsAlgorithm(alg)) return 'no key to verify it with';
  const key = publicKey(jwk);
  if (key === undefined) return 'the key under its kid is none';
  const at = text.lastIndexOf('.');
  const signature = Buffer.from(text.slice(at + 1), 'base64url');
  return fits(alg, key) && signatureHolds(alg, key, Buffer.from(text.slice(0, at)), signature)
    ? undefined
    : 'the key set does not verify it';
}

function publicKey(jwk: JsonObject): KeyObject | undefined {
  try {
    return createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
  } catch {
    return undefined;
  }
}

function faultOfTimes({ claims }: SampleToken, _: Party, { now }: Evidence): string | undefined {
  const seconds = now / 1000;
  const [iat, nbf, exp] = [claims['iat'], claims['nbf'] ?? 0, claims['exp']];
  if (typeof iat !== 'number') return 'it has no iat, which some demand';
  if (typeof exp !== 'number') return 'it has no exp';
  if (iat > seconds || Number(nbf) > seconds) return 'it begins in the future';
  return exp <= seconds ? 'it has expired' : undefined;
}

function faultOfLife({ claims }: SampleToken, { longestLife, shortestLife }: Party): string | undefined {
  const life = Number(claims['exp']) - Number(claims['iat']);
  if (longestLife !== undefined && life > longestLife) return `${life} s, and ${longestLife} is the most`;
  if (shortestLife !== undefined && life < shortestLife) return `${life} s, and its SDK wants ${shortestLife} at least`;
  return undefined;
}
