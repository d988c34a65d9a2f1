import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import * as fc from 'fast-check';
import { decodeProtectedHeader, jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import { entryOf, trustDomain } from '../../test/fakes/authority.ts';
import { systemRandom } from '../runtime/random.ts';
import { generateKey, type KeyType, type Signer, softwareSigner } from '../runtime/signer.ts';
import { ordinaryTerms, type TokenTerms } from '../spiffe/audience.ts';
import { awsSession } from '../spiffe/claims.ts';
import { SpiffeId } from '../spiffe/id.ts';
import { Issuer } from '../spiffe/issuer.ts';
import { JwtIssuer } from './issue-jwt.ts';

const start = Date.parse('2026-11-23T12:00:00.999Z');
const day = 86_400_000;
const kid = 'b'.repeat(32);
const signer = softwareSigner(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
const issuerOf = (fields: { notAfter?: number; signer?: Signer } = {}) =>
  new JwtIssuer({ id: kid, trustDomain, notAfter: start + day, signer, ttlSeconds: 300, ...fields });
const issue = (audience: readonly string[], issuer = issuerOf(), entry = entryOf()) =>
  issuer.sign(issuer.prepare(entry, audience, start, systemRandom));
const claimsOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

describe('JwtIssuer', () => {
  it('JT-01 JT-03 JT-04 JT-07 JT-09 JT-10 writes a compact JWS with alg, kid and typ, and no other header', async () => {
    const { token } = await issue(['aws']);
    expect(token).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'ES256', kid, typ: 'JWT' });
  });

  it('JT-12 JT-14 JT-20 JT-24 JT-26 says who, for whom, since when and until when, and nothing else', async () => {
    const { token, jti, issuedAt, expiresAt, authorityId } = await issue(['aws']);
    const second = Math.floor(start / 1000);
    expect(claimsOf(token)).toEqual({
      sub: 'spiffe://example.org/web',
      aud: 'aws',
      exp: second + 300,
      iat: second,
      jti,
    });
    expect({ issuedAt, expiresAt, authorityId }).toEqual({
      issuedAt: start,
      expiresAt: (second + 300) * 1000,
      authorityId: kid,
    });
  });

  it('JT-14 keeps the order of the audiences and drops repeats; one is a string, several are a list', async () => {
    expect(claimsOf((await issue(['b', 'a', 'b'])).token)['aud']).toEqual(['b', 'a']);
    expect(claimsOf((await issue(['b', 'b'])).token)['aud']).toBe('b');
  });

  it('JT-27 gives every token its own jti', async () => {
    const issuer = issuerOf();
    const ids = await Promise.all(Array.from({ length: 1000 }, async () => (await issue(['aws'], issuer)).jti));
    expect(new Set(ids).size).toBe(1000);
  });

  it.each<[KeyType, string, number]>([
    ['ec-p256', 'ES256', 64],
    ['ec-p384', 'ES384', 96],
    ['rsa-2048', 'RS256', 256],
  ])('JT-04 JT-31 a token by a key of type %s is %s and is accepted by jose', async (keyType, algorithm, bytes) => {
    const key = softwareSigner(await generateKey(keyType));
    const { token } = await issue(['aws'], issuerOf({ signer: key }));
    const publicKey = createPublicKey({ key: key.publicKey, format: 'der', type: 'spki' });
    const { payload } = await jwtVerify(token, publicKey, {
      algorithms: [algorithm],
      audience: 'aws',
      typ: 'JWT',
      currentDate: new Date(start),
    });
    expect(payload.sub).toBe('spiffe://example.org/web');
    expect(Buffer.from(token.split('.')[2] ?? '', 'base64url')).toHaveLength(bytes);
  });

  it('JT-23 R-ISS-8 ends with its key and its entry, and is never rounded up, at any moment', () => {
    const issuer = issuerOf();
    fc.assert(
      fc.property(
        fc.integer({ min: start, max: start + day - 2_000 }),
        fc.integer({ min: 5, max: 2 * 86_400 }),
        fc.option(fc.integer({ min: 2_000, max: day }), { nil: undefined }),
        (now, ttl, left) => {
          const expiresAt = left === undefined ? undefined : now + left;
          const { claims } = issuer.prepare(entryOf({ jwtSvidTtlSeconds: ttl, expiresAt }), ['a'], now, systemRandom);
          expect(Number.isInteger(claims.exp) && Number.isInteger(claims.iat)).toBe(true);
          expect(claims.iat * 1000).toBeLessThanOrEqual(now);
          expect(claims.exp * 1000).toBeGreaterThan(now);
          expect(claims.exp * 1000).toBeLessThanOrEqual(Math.min(now + ttl * 1000, start + day, expiresAt ?? Infinity));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('JT-34 bounds the audiences and the token', async () => {
    const long = Array.from({ length: 16 }, (_, i) => `${i}`.padEnd(1024, 'x'));
    for (const audience of [long, Array.from({ length: 17 }, (_, i) => `${i}`), [], [''], ['a', '']]) {
      await expect(async () => issue(audience)).rejects.toMatchObject({ code: 'invalid-argument' });
    }
    expect((await issue(Array.from({ length: 16 }, (_, i) => `${i}`))).token.length).toBeLessThan(4096);
  });

  it('R-ISS-7 signs only what it prepared, and only once', async () => {
    const issuer = issuerOf();
    const prepared = issuer.prepare(entryOf(), ['aws'], start, systemRandom);
    await expect(issuerOf().sign(prepared)).rejects.toThrow(TypeError);
    await issuer.sign(prepared);
    await expect(issuer.sign(prepared)).rejects.toThrow(TypeError);
  });

  it('R-ISS-4 releases nothing from a key that does not sign what it is given', async () => {
    const lying: Signer = { ...signer, sign: (_, form) => signer.sign(Buffer.from('something else'), form) };
    const issuer = issuerOf({ signer: lying });
    for (let i = 0; i < 3; i++)
      await expect(issue(['aws'], issuer)).rejects.toMatchObject({ code: 'unavailable', reason: 'self-check' });
  });
});

describe('a token for somebody outside SPIFFE', () => {
  const issuer = Issuer.parse('https://id.example.org');
  const oidc = (fields: { signer?: Signer } = {}) =>
    new JwtIssuer({ id: kid, trustDomain, notAfter: start + day, signer, ttlSeconds: 300, issuer, ...fields });
  const terms: TokenTerms = { ...ordinaryTerms, federated: true, ttlSeconds: 600 };
  const asked = (fields: Partial<TokenTerms> = {}) => ({
    terms: { ...terms, ...fields },
    facts: { uid: '7', instance: 'i' },
  });
  const signed = async (entry = entryOf(), request = asked()) => {
    const by = oidc();
    return by.sign(by.prepare(entry, ['sts.amazonaws.com'], start, systemRandom, request));
  };

  it('says who issued it, begins ten seconds ago for slow clocks, and never has azp', async () => {
    const { token, jti } = await signed();
    const second = Math.floor(start / 1000);
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'ES256', kid, typ: 'JWT' });
    expect(claimsOf(token)).toEqual({
      ...{ iss: issuer, sub: 'spiffe://example.org/web', aud: 'sts.amazonaws.com', jti },
      ...{ exp: second + 600, iat: second - 10, nbf: second - 10 },
    });
  });

  it('lives as long as the shortest of entry and audience say', async () => {
    const life = async (entry: number, audience: number): Promise<number> => {
      const { expiresAt } = await signed(entryOf({ jwtSvidTtlSeconds: entry }), asked({ ttlSeconds: audience }));
      return Math.ceil((expiresAt - start) / 1000);
    };
    expect(await Promise.all([life(0, 0), life(60, 0), life(0, 900), life(60, 900), life(900, 60)])).toEqual([
      300, 60, 900, 60, 60,
    ]);
  });

  it('has more claims where its audience wants them, of facts alone', async () => {
    const { token, jti } = await signed(entryOf({ id: 'e-1' }), asked({ claims: awsSession }));
    expect(claimsOf(token)).toMatchObject({
      'https://aws.amazon.com/tags': {
        principal_tags: { owner: ['ada'], entry: ['e-1'], record: [jti] },
        transitive_tag_keys: ['owner', 'entry', 'record'],
      },
      'https://aws.amazon.com/source_identity': 'ada',
    });
    const all = '{spiffe_id} {trust_domain} {path} {name} {entry} {owner} {uid} {instance}';
    const { token: other } = await signed(entryOf({ id: 'e-1' }), asked({ claims: { a: [{ b: all, c: 1 }] } }));
    expect(claimsOf(other)['a']).toEqual([{ b: 'spiffe://example.org/web example.org /web web e-1 ada 7 i', c: 1 }]);
  });

  it('JT-34 is kept below 2,048 bytes, which one relying party takes at most', async () => {
    const { token } = await signed();
    expect(token.length).toBeLessThan(700);
    const long = entryOf({ spiffeId: SpiffeId.parse(`spiffe://example.org/${'a'.repeat(1_500)}`) });
    await expect(signed(long)).rejects.toMatchObject({ reason: 'token-too-large' });
  });
});
