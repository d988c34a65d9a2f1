/**
 * Tokens that the trust domain's own key has signed and that break one rule each: whoever only checks signatures lets
 * them all in. The key is read from the data directory, which root may do.
 */
import { createPrivateKey, createPublicKey, type KeyObject, randomUUID, sign } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jwks, publicKeyOf } from './documents.ts';
import { type Mayfly, startMayfly } from './fixture.ts';
import { decodeValidateResponse } from './wire.ts';
import { granted, grpc, type Workload } from './workload.ts';

let mayfly: Mayfly;
let web: Workload;
let kid: string;
let key: KeyObject;

beforeAll(async () => {
  mayfly = await startMayfly();
  await mayfly.operator.create({ spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:10001'] });
  web = await mayfly.workload(10001);
  const published = jwks((await web.jwtBundles()).bundles.get('spiffe://example.org'));
  for (const candidate of privateKeys(mayfly.dataDirectory)) {
    const spki = createPublicKey(candidate as never).export({ type: 'spki', format: 'pem' });
    const jwk = published.find((one) => publicKeyOf(one) === spki);
    if (jwk !== undefined) [kid, key] = [jwk.kid, candidate];
  }
});
afterAll(() => mayfly[Symbol.asyncDispose]());

function privateKeys(directory: string): KeyObject[] {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
  const texts = files.map((file) => readFileSync(join(file.parentPath, file.name), 'latin1'));
  const blocks = texts.flatMap(
    (text) => text.match(/-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/g) ?? [],
  );
  return blocks.map((pem) => createPrivateKey(pem));
}

const now = (): number => Math.floor(Date.now() / 1000);
const encode = (value: object | string): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const signed = (
  header: object | string,
  claims: object | string,
  dsaEncoding: 'ieee-p1363' | 'der' = 'ieee-p1363',
): string => {
  const input = `${encode(header)}.${encode(claims)}`;
  return `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding }).toString('base64url')}`;
};
const goodHeader = () => ({ alg: 'ES256', kid, typ: 'JWT' });
const goodClaims = () => ({
  sub: 'spiffe://example.org/web',
  aud: ['reports'],
  exp: now() + 60,
  iat: now(),
  jti: randomUUID(),
});
const token = (header: object, claims: object): string =>
  signed({ ...goodHeader(), ...header }, { ...goodClaims(), ...claims });

describe('tokens that are right', () => {
  const accepts = async (header: object, claims: object): Promise<Readonly<Record<string, unknown>>> =>
    decodeValidateResponse(granted(await web.validate('reports', token(header, claims)))).claims;

  it('JR-24 the key is the real one: an ordinary token is accepted', async () => {
    expect(await accepts({}, {})).toMatchObject({ sub: 'spiffe://example.org/web', aud: ['reports'] });
  });

  it('JR-24 JT-17 JR-32 aud may be a string, and comes back as a list', async () => {
    expect(await accepts({}, { aud: 'reports' })).toMatchObject({ aud: ['reports'] });
  });

  it('JR-24 JT-16 our audience may be anywhere in the list', async () => {
    expect(await accepts({}, { aud: ['a', 'b', 'reports'] })).toMatchObject({ aud: ['a', 'b', 'reports'] });
  });

  it('JR-24 JT-09 typ may be absent or JOSE', async () => {
    await accepts({ typ: undefined }, {});
    await accepts({ typ: 'JOSE' }, {});
  });

  it('JR-27 JR-28 claims that it does not know are returned or left out, never refused', async () => {
    expect(await accepts({}, { team: 'blue', deep: { a: [1, true, null] } })).toHaveProperty('sub');
  });
});

describe('tokens that break one rule', () => {
  const refuses = async (bad: string): Promise<void> => {
    expect(await web.validate('reports', bad), bad).toMatchObject({ code: grpc.invalidArgument, messages: [] });
  };

  it.each([
    ['missing', { exp: undefined }],
    ['null', { exp: null }],
    ['a string', { exp: '99999999999' }],
    ['not a number', { exp: {} }],
    ['long past', { exp: 1_000_000_000 }],
    ['two minutes past', { exp: Math.floor(Date.now() / 1000) - 120 }],
    ['negative', { exp: -1 }],
  ])('JR-24 JT-21 JT-22 exp that is %s is refused', (_, claims) => refuses(token({}, claims)));

  it.each([
    ['missing', { sub: undefined }],
    ['empty', { sub: '' }],
    ['a number', { sub: 7 }],
    ['a list', { sub: ['spiffe://example.org/web'] }],
    ['no SPIFFE ID', { sub: 'web' }],
    ['a trust domain', { sub: 'spiffe://example.org' }],
    ['with a slash at its end', { sub: 'spiffe://example.org/web/' }],
    ['with dots in it', { sub: 'spiffe://example.org/a/../web' }],
    ['in capitals', { sub: 'spiffe://EXAMPLE.org/web' }],
  ])('JR-24 JT-13 sub that is %s is refused', (_, claims) => refuses(token({}, claims)));

  it('JR-24 JR-25 JT-28 ID-23 our key does not speak for another trust domain', () =>
    refuses(token({}, { sub: 'spiffe://other.org/web' })));

  it.each([
    ['missing', { aud: undefined }],
    ['an empty list', { aud: [] }],
    ['an empty string', { aud: '' }],
    ['a number', { aud: 5 }],
    ['for others', { aud: ['others'] }],
    ['another spelling', { aud: ['REPORTS', 'reports '] }],
    ['an object', { aud: { reports: true } }],
    ['a list of other things', { aud: ['reports', 7] }],
  ])('JR-24 JT-15 JT-16 aud that is %s is refused', (_, claims) => refuses(token({}, claims)));

  it('JR-24 JT-24 iat in the future is refused, but for what two clocks may differ', async () => {
    await refuses(token({}, { iat: now() + 300 }));
    expect((await web.validate('reports', token({}, { iat: now() + 20 }))).code).toBe(grpc.ok);
  });

  it('JR-24 JT-25 nbf in the future is refused', () => refuses(token({}, { nbf: now() + 600 })));

  it.each(['jwt', 'at+jwt', 'wit+jwt', 'JWS', ''])('JR-24 JT-09 typ %j is refused', (typ) =>
    refuses(token({ typ }, {})),
  );

  it.each([
    ['crit', { crit: ['exp'] }],
    ['jku', { jku: 'http://127.0.0.1:1/' }],
    ['jwk', { jwk: { kty: 'EC' } }],
    ['x5c', { x5c: ['MIIB'] }],
    ['x5u', { x5u: 'http://127.0.0.1:1/' }],
    ['x5t', { x5t: 'aaaa' }],
  ])('JR-24 JT-11 the header %s is refused', (_, header) => refuses(token(header, {})));

  it('JR-24 JT-05 JT-06 an algorithm that is not the key’s is refused', async () => {
    for (const alg of ['none', 'HS256', 'RS256', 'ES384', 'PS256', 'EdDSA', 'es256', undefined])
      await refuses(token({ alg }, {}));
  });

  it('JR-24 JT-08 JT-30 without its kid, or with one that nobody has, it is refused', async () => {
    await refuses(token({ kid: undefined }, {}));
    await refuses(token({ kid: 'nobody' }, {}));
    await refuses(token({ kid: '' }, {}));
    await refuses(token({ kid: 1 }, {}));
  });

  it('JR-24 JT-31 a signature in DER is refused', () => refuses(signed(goodHeader(), goodClaims(), 'der')));

  it('JR-24 SE-18 JT-32 a member that occurs twice is refused, in header and claims', async () => {
    const claims = JSON.stringify(goodClaims());
    await refuses(signed(goodHeader(), `${claims.slice(0, -1)},"sub":"spiffe://example.org/web"}`));
    const header = JSON.stringify(goodHeader());
    await refuses(signed(`${header.slice(0, -1)},"alg":"ES256"}`, goodClaims()));
  });

  it('JR-24 JT-32 claims that are no JSON object are refused', async () => {
    for (const claims of ['', '[]', 'null', '"text"', '{', `${JSON.stringify(goodClaims())}x`])
      await refuses(signed(goodHeader(), claims));
  });
});
