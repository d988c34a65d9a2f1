import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { entryOf, trustDomain } from '../../../test/fakes/authority.ts';
import { FakeCa } from '../../../test/fakes/ca.ts';
import { JwtIssuer } from '../../authority/issue-jwt.ts';
import { systemRandom } from '../../runtime/random.ts';
import { joseAlgorithm, softwareSigner } from '../../runtime/signer.ts';
import { ordinaryTerms } from '../../spiffe/audience.ts';
import { Issuer } from '../../spiffe/issuer.ts';
import type { JsonObject } from '../../spiffe/json.ts';
import { discoveryDocument, keySet, type TokenKey } from '../../spiffe/oidc.ts';
import { type Evidence, readSample } from './evidence.ts';
import { lint } from './lint.ts';
import { partyNamed, partyNames } from './parties.ts';

const issuer = Issuer.parse('https://id.example.org');
const now = Date.parse('2026-11-26T12:00:00Z');
const kid = 'a'.repeat(32);
const keyOf = (type: 'ec' | 'rsa') =>
  softwareSigner(
    type === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
      : generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
  );
const [ec, rsa] = [keyOf('ec'), keyOf('rsa')];

type Change = (parts: { claims: Record<string, unknown>; header: Record<string, unknown> }) => void;

/** A token as mayfly issues it, or one that says something else and is signed all the same. */
async function sample(audience: string, signer = rsa, change?: Change, ttlSeconds = 3600) {
  const by = new JwtIssuer({ id: kid, trustDomain, notAfter: now + 86_400_000, signer, ttlSeconds, issuer });
  const request = { terms: { ...ordinaryTerms, federated: true }, facts: {} };
  const { token } = await by.sign(by.prepare(entryOf(), [audience], now, systemRandom, request));
  if (change === undefined) return readSample(token);
  const parts = { header: { ...readSample(token).header }, claims: { ...readSample(token).claims } };
  change(parts);
  const input = [parts.header, parts.claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  const signature = await signer.sign(Buffer.from(input), 'jose');
  return readSample(`${input}.${signature.toString('base64url')}`);
}

const published = (signer: typeof ec): TokenKey => ({
  keyId: kid,
  publicKey: createPublicKey({ key: signer.publicKey, format: 'der', type: 'spki' }),
  algorithm: joseAlgorithm(signer.keyType),
  signsNow: true,
});

const headers = { 'content-type': 'application/json', 'cache-control': 'public, max-age=300' };
const found = (url: string, body: object) => ({ value: { url, ms: 20, headers, body: body as JsonObject } });
const ca = new FakeCa('example.org');
const svidOf = (issued: { chain: readonly Buffer[] }) => ({
  value: issued.chain.map((der) => new X509Certificate(der)),
});

/** Everything as it should be. */
const evidenceOf = (token: Awaited<ReturnType<typeof sample>>, signer = rsa): Evidence => ({
  ...{ issuer, ownRoots: false, now, token: { value: token }, svid: svidOf(ca.issue('/web')) },
  discovery: found(`${issuer}/.well-known/openid-configuration`, discoveryDocument(issuer, [published(signer)])),
  keys: found(`${issuer}/keys`, keySet([published(signer)], false)),
});

function broken(evidence: Evidence, name: string): string[] {
  const party = partyNamed(name);
  if (party === undefined) throw new TypeError(name);
  return lint(evidence, party).flatMap(({ rule, state }) => (state === 'fails' ? [rule] : []));
}

describe('the rules of relying parties', () => {
  it('are all kept by what mayfly issues: RS256 by everybody who takes tokens, Ceph RGW wants a certificate too', async () => {
    for (const name of partyNames) {
      const { sample: audience = '' } = partyNamed(name) ?? {};
      const wanted = name === 'rgw' ? ['first-key-certificate'] : [];
      expect([name, broken(evidenceOf(await sample(audience)), name)]).toEqual([name, wanted]);
    }
  });

  it('differ about ES256', async () => {
    const evidence = async (audience: string) => evidenceOf(await sample(audience, ec), ec);
    expect(broken(await evidence('sts.amazonaws.com'), 'aws')).toEqual([]);
    expect(broken(await evidence('api://AzureADTokenExchange'), 'azure')).toEqual(['algorithm']);
    expect(broken(await evidence('kubernetes'), 'kubernetes')).toEqual(['algorithm']);
  });

  it.each<[string, string, string, Change]>([
    ['no kid', 'gcp', 'kid', ({ header }) => delete header['kid']],
    ['an unknown kid', 'aws', 'kid', ({ header }) => Object.assign(header, { kid: 'b' })],
    ['typ JOSE', 'azure', 'typ', ({ header }) => Object.assign(header, { typ: 'JOSE' })],
    ['another iss', 'aws', 'iss', ({ claims }) => Object.assign(claims, { iss: `${issuer}/` })],
    ['a list of audiences', 'aws', 'aud', ({ claims }) => Object.assign(claims, { aud: ['sts.amazonaws.com'] })],
    ['another audience', 'azure', 'aud', ({ claims }) => Object.assign(claims, { aud: 'sts.amazonaws.com' })],
    [
      'a long subject',
      'gcp',
      'sub',
      ({ claims }) => Object.assign(claims, { sub: `spiffe://example.org/${'a'.repeat(120)}` }),
    ],
    ['no iat', 'anthropic', 'times', ({ claims }) => delete claims['iat']],
    ['an iat ahead', 'aws', 'times', ({ claims }) => Object.assign(claims, { iat: now / 1000 + 30 })],
    ['an nbf ahead', 'aws', 'times', ({ claims }) => Object.assign(claims, { nbf: now / 1000 + 30 })],
    ['an end in the past', 'vault', 'times', ({ claims }) => Object.assign(claims, { exp: now / 1000 - 1 })],
    ['a life of two days', 'gcp', 'life', ({ claims }) => Object.assign(claims, { exp: now / 1000 + 172_800 })],
    ['five minutes', 'azure', 'life', ({ claims }) => Object.assign(claims, { exp: now / 1000 + 300 })],
    ['azp', 'aws', 'azp', ({ claims }) => Object.assign(claims, { azp: 'x' })],
    ['many claims', 'minio', 'size', ({ claims }) => Object.assign(claims, { more: 'x'.repeat(2_000) })],
    ['no jti', 'aws', 'jti', ({ claims }) => delete claims['jti']],
  ])('name a token with %s, for %s: %s', async (_, name, rule, change) => {
    const evidence = evidenceOf(await sample(partyNamed(name)?.sample ?? '', rsa, change));
    expect(broken(evidence, name)).toContain(rule);
  });

  it('name a signature by another key, and an algorithm that discovery does not list', async () => {
    const evidence = evidenceOf(await sample('sts.amazonaws.com'));
    expect(broken({ ...evidence, keys: evidenceOf(await sample('x'), keyOf('rsa')).keys }, 'aws')).toEqual([
      'signature',
    ]);
    const { discovery } = evidenceOf(await sample('x'), ec);
    expect(broken({ ...evidence, discovery }, 'aws')).toEqual(['algorithm-announced']);
  });

  it.each<[string, string, (evidence: Evidence) => Evidence]>([
    ['a slash at the end', 'issuer-form', (e) => ({ ...e, issuer: `${issuer}/` })],
    ['a port', 'issuer-public', (e) => ({ ...e, issuer: 'https://id.example.org:8443' })],
    ['a private address', 'issuer-public', (e) => ({ ...e, issuer: 'https://10.0.0.7' })],
    ['a name of this network', 'issuer-public', (e) => ({ ...e, issuer: 'https://localhost' })],
    ['its own authority', 'tls-chain', (e) => ({ ...e, ownRoots: true })],
    ['no discovery', 'discovery', (e) => ({ ...e, discovery: { problem: 'it cannot be reached' } })],
    [
      'another issuer in it',
      'discovery-issuer',
      (e) => ({ ...e, discovery: found('', { issuer: 'https://a.example' }) }),
    ],
    ['an answer after six seconds', 'discovery', (e) => ({ ...e, discovery: late(e.discovery) })],
    ['no keys', 'keys', (e) => ({ ...e, keys: found('', { keys: [] }) })],
    ['a key of another kind', 'key-members', (e) => ({ ...e, keys: found('', { keys: [{ kty: 'AKP', kid: 'a' }] }) })],
    ['a key for jwt-svid', 'key-members', (e) => ({ ...e, keys: changed(e, { use: 'jwt-svid' }) })],
    ['a key without alg', 'key-members', (e) => ({ ...e, keys: changed(e, { alg: undefined }) })],
    ['a private key', 'key-members', (e) => ({ ...e, keys: changed(e, { d: 'x' }) })],
    ['a key twice', 'key-members', (e) => ({ ...e, keys: found('', { keys: [...keysOf(e), ...keysOf(e)] }) })],
    ['101 keys', 'key-count', (e) => ({ ...e, keys: found('', { keys: Array(101).fill(keysOf(e)[0]) }) })],
    ['no caching', 'caching', (e) => ({ ...e, keys: uncached(e.keys) })],
  ])('name an issuer with %s: %s', async (_, rule, change) => {
    expect(broken(change(evidenceOf(await sample('sts.amazonaws.com'))), 'aws')).toContain(rule);
  });

  it('name an SVID without a common name, of an authority, or with a chain that is no chain', async () => {
    const evidence = evidenceOf(await sample('x'));
    const good = ca.issue('/web').chain;
    const svid = (...chain: Buffer[]) => svidOf({ chain });
    const [leaf = Buffer.alloc(0)] = good;
    expect(broken({ ...evidence, svid: svid(leaf, new FakeCa('b.example').certificate) }, 'roles-anywhere')).toEqual([
      'chain',
    ]);
    expect(broken({ ...evidence, svid: svid(leaf, ca.certificate) }, 'roles-anywhere')).toEqual(['chain']);
    expect(broken({ ...evidence, svid: svid(ca.certificate) }, 'postgresql')).toContain('leaf');
  });

  it('are not judged by what could not be had', async () => {
    const party = partyNamed('aws');
    const evidence = { ...evidenceOf(await sample('x')), token: { problem: 'no sample token' } };
    const findings = party === undefined ? [] : lint(evidence, party);
    expect(findings.filter(({ state }) => state === 'fails')).toEqual([]);
    expect(findings.filter(({ state }) => state === 'unknown').map(({ says }) => says)).toContain('no sample token');
  });
});

const keysOf = (evidence: Evidence): JsonObject[] => evidence.keys.value?.body['keys'] as unknown as JsonObject[];
const changed = (evidence: Evidence, members: object) =>
  found('', { keys: [JSON.parse(JSON.stringify({ ...keysOf(evidence)[0], ...members }))] });
const late = ({ value }: Evidence['discovery']): Evidence['discovery'] =>
  value === undefined ? { problem: '' } : { value: { ...value, ms: 6_000 } };
const uncached = ({ value }: Evidence['keys']): Evidence['keys'] =>
  value === undefined ? { problem: '' } : { value: { ...value, headers: { ...headers, 'cache-control': 'no-store' } } };
