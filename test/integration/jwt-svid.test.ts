import { verify } from 'node:crypto';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jwks, publicKeyOf, readToken } from './documents.ts';
import { first, type Mayfly, startMayfly } from './fixture.ts';
import { decodeJwtBundlesResponse, encodeJwtSvidRequest } from './wire.ts';
import { grpc, type Workload } from './workload.ts';

const id = (name: string): string => `spiffe://example.org/${name}`;
const names = ['first', 'second', 'third'].map(id);

let mayfly: Mayfly;
let three: Workload;
let muted: Workload;

beforeAll(async () => {
  mayfly = await startMayfly();
  const audiences = ['reports', 'billing', 'bench-*'];
  await mayfly.operator.createAll([
    { spiffeId: id('first'), selectors: ['unix:uid:10001'], audiences, hint: 'one' },
    { spiffeId: id('second'), selectors: ['unix:uid:10001'], audiences, hint: 'two' },
    { spiffeId: id('third'), selectors: ['unix:uid:10001'], audiences },
    { spiffeId: id('muted'), selectors: ['unix:uid:10002'] },
  ]);
  [three, muted] = await Promise.all([mayfly.workload(10001), mayfly.workload(10002)]);
});
afterAll(() => mayfly[Symbol.asyncDispose]());

const ask = (audience: readonly string[], spiffeId = '', workload = three) =>
  workload.call('FetchJWTSVID', { request: encodeJwtSvidRequest(audience, spiffeId) });

describe('FetchJWTSVID', () => {
  it('WA-02 JR-01 is one answer, after which the call is over', async () => {
    const call = three.open('FetchJWTSVID');
    await call.next();
    expect((await call.ended()).code).toBe(grpc.ok);
  });

  it('JR-02 WA-20 no audience at all is InvalidArgument', async () => {
    expect(await ask([])).toMatchObject({ code: grpc.invalidArgument, messages: [] });
  });

  it('JR-03 audiences that are empty strings are InvalidArgument, alone or among others', async () => {
    for (const audience of [[''], ['', ''], ['reports', ''], ['', 'reports']]) {
      expect(await ask(audience)).toMatchObject({ code: grpc.invalidArgument, messages: [] });
    }
  });

  it('JR-04 aud holds what was asked for', async () => {
    for (const audience of [['reports'], ['reports', 'billing'], ['bench-1']]) {
      for (const { svid } of await three.jwt(audience))
        expect([readToken(svid).claims['aud']].flat()).toEqual(audience);
    }
  });

  it('JR-05 JR-10 without an id there is a token for every identity, each with its id', async () => {
    const svids = await three.jwt(['reports']);
    expect(svids.map((svid) => svid.spiffeId)).toEqual(names);
    for (const { svid } of svids) expect(svid.split('.')).toHaveLength(3);
  });

  it('JR-06 with an id there is exactly that one', async () => {
    expect((await three.jwt(['reports'], id('second'))).map((svid) => svid.spiffeId)).toEqual([id('second')]);
  });

  it('JR-07 an id that is not granted is PermissionDenied, existing or not, in the same words', async () => {
    const [existing, absent] = [await ask(['reports'], id('muted')), await ask(['reports'], id('nowhere'))];
    expect(existing).toMatchObject({ code: grpc.permissionDenied, messages: [] });
    expect(absent).toEqual(existing);
  });

  it.each([
    'nonsense',
    'spiffe://',
    'spiffe://example.org',
    'spiffe://example.org/',
    'https://example.org/a',
    id('a/../b'),
  ])('JR-08 the malformed id %s is InvalidArgument', async (malformed) => {
    expect(await ask(['reports'], malformed)).toMatchObject({ code: grpc.invalidArgument, messages: [] });
  });

  it('JR-09 an audience that no entry allows is PermissionDenied, and the answer does not name it', async () => {
    for (const audience of [['secrets'], ['reports', 'secrets'], ['Reports'], ['bench'], ['bench-*', 'secrets']]) {
      const answer = await ask(audience);
      expect(answer).toMatchObject({ code: grpc.permissionDenied, messages: [] });
      expect(answer.text).not.toContain('secrets');
    }
  });

  it('JR-09 an entry without audiences gets no token at all', async () => {
    expect(await ask(['reports'], '', muted)).toMatchObject({ code: grpc.permissionDenied, messages: [] });
  });

  it('JR-11 JR-31 the id is the subject of the token', async () => {
    for (const { spiffeId, svid } of await three.jwt(['reports'])) expect(readToken(svid).claims['sub']).toBe(spiffeId);
  });

  it('JR-12 WA-27 hints are those of the entries and differ', async () => {
    expect((await three.jwt(['reports'])).map((svid) => svid.hint)).toEqual(['one', 'two', '']);
  });

  it('JT-07 JT-09 JT-10 JT-20 JT-24 JT-27 header and claims are the profile’s', async () => {
    const { header, claims } = readToken(first(await three.jwt(['reports'])).svid);
    expect(header).toEqual({ alg: 'ES256', kid: expect.any(String), typ: 'JWT' });
    expect(claims).toMatchObject({ exp: expect.any(Number), iat: expect.any(Number), jti: expect.any(String) });
    expect(Number.isInteger(claims.exp) && Number.isInteger(claims.iat)).toBe(true);
    expect(claims.iat).toBeLessThanOrEqual(Date.now() / 1000);
    expect(claims.exp - claims.iat).toBe(300);
  });

  it('JT-34 sixteen long audiences are refused, not made into a huge token', async () => {
    const audience = Array.from({ length: 16 }, (_, index) => `bench-${index}-${'x'.repeat(1000)}`);
    expect(await ask(audience)).toMatchObject({ code: grpc.invalidArgument, messages: [] });
  });

  it('a token is never shared between processes', async () => {
    const other = await mayfly.workload(10001);
    const [mine, theirs] = [first(await three.jwt(['reports'])).svid, first(await other.jwt(['reports'])).svid];
    expect(readToken(mine).claims['jti']).not.toBe(readToken(theirs).claims['jti']);
  });
});

describe('FetchJWTBundles', () => {
  it('WA-02 JR-15 JR-19 streams, and holds the trust domain’s own keys', async () => {
    const stream = three.open('FetchJWTBundles');
    const { bundles } = decodeJwtBundlesResponse(await stream.next());
    expect([...bundles.keys()]).toEqual(['spiffe://example.org']);
    await expect(stream.ended(500)).rejects.toThrow('no status');
    stream.cancel();
  });

  it('JR-16 JR-18 its values are JWK Sets in UTF-8 JSON, each key with its kid and no private part', async () => {
    const keys = jwks((await three.jwtBundles()).bundles.get('spiffe://example.org'));
    expect(keys.length).toBeGreaterThan(0);
    for (const key of keys) {
      expect(key.kid).not.toBe('');
      for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) expect(key).not.toHaveProperty(secret);
    }
  });

  it('JR-17 no key of another use is in it', async () => {
    const keys = jwks((await three.jwtBundles()).bundles.get('spiffe://example.org'));
    for (const key of keys) {
      expect(key['use']).toBe('jwt-svid');
      expect(key).not.toHaveProperty('x5c');
    }
    const { x509Authorities } = await mayfly.operator.bundle();
    for (const root of x509Authorities) {
      for (const key of keys) expect(root.includes(Buffer.from(String(key['x']), 'base64url'))).toBe(false);
    }
  });

  it('JR-13 a token verifies with these keys, by a library of other people and by hand', async () => {
    const set = jwks((await three.jwtBundles()).bundles.get('spiffe://example.org'));
    for (const { svid, spiffeId } of await three.jwt(['reports'])) {
      // SPIFFE's `use` is not one that a general JWT library knows: without it, any takes the keys.
      const keys = set.map(({ use: _, ...key }) => key);
      const judged = await jwtVerify(svid, createLocalJWKSet({ keys } as unknown as JSONWebKeySet), {
        audience: 'reports',
      });
      expect(judged.payload.sub).toBe(spiffeId);
      const [header = '', claims = '', signature = ''] = svid.split('.');
      const key = publicKeyOf(first(set.filter((jwk) => jwk.kid === readToken(svid).header['kid'])));
      const raw = Buffer.from(signature, 'base64url');
      const options = { key, dsaEncoding: 'ieee-p1363' as const };
      expect(verify('sha256', Buffer.from(`${header}.${claims}`), options, raw)).toBe(true);
    }
  });
});
