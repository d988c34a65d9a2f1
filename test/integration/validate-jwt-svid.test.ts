import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jwks, publicKeyOf, readToken } from './documents.ts';
import { first, type Mayfly, startMayfly } from './fixture.ts';
import { decodeValidateResponse, decodeX509SvidResponse } from './wire.ts';
import { granted, grpc, type Workload } from './workload.ts';

let mayfly: Mayfly;
let web: Workload;
let token: string;

beforeAll(async () => {
  mayfly = await startMayfly({ flags: ['--jwt-ttl', '300s'] });
  await mayfly.operator.create({
    spiffeId: 'spiffe://example.org/web',
    selectors: ['unix:uid:10001'],
    audiences: ['reports', 'billing'],
  });
  web = await mayfly.workload(10001);
  token = first(await web.jwt(['reports'])).svid;
});
afterAll(() => mayfly[Symbol.asyncDispose]());

const parts = (): [string, string, string] => token.split('.') as [string, string, string];
const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
/** The real token with another header or other claims, and the signature that it had. */
const altered = (header: object, claims: object): string => {
  const read = readToken(token);
  return `${encode({ ...read.header, ...header })}.${encode({ ...read.claims, ...claims })}.${parts()[2]}`;
};

describe('ValidateJWTSVID of a good token', () => {
  it('WA-02 JR-26 JR-27 JR-31 names the subject and returns sub, aud and exp', async () => {
    const { spiffeId, claims } = decodeValidateResponse(granted(await web.validate('reports', token)));
    expect(spiffeId).toBe('spiffe://example.org/web');
    expect(claims).toMatchObject({
      sub: 'spiffe://example.org/web',
      aud: ['reports'],
      exp: readToken(token).claims.exp,
    });
  });

  it('JR-32 aud is a list even when it has one value', async () => {
    const { claims } = decodeValidateResponse(granted(await web.validate('reports', token)));
    expect(Array.isArray(claims['aud'])).toBe(true);
  });

  it('JR-34 numbers survive', async () => {
    const { claims } = decodeValidateResponse(granted(await web.validate('reports', token)));
    expect(claims).toMatchObject({ exp: readToken(token).claims.exp, iat: readToken(token).claims.iat });
  });

  it('JR-24 one audience among several is enough', async () => {
    const [both] = await web.jwt(['reports', 'billing']);
    const { claims } = decodeValidateResponse(granted(await web.validate('billing', both?.svid ?? '')));
    expect(claims['aud']).toEqual(['reports', 'billing']);
  });
});

describe('ValidateJWTSVID of anything else', () => {
  const refuses = async (bad: string, audience = 'reports'): Promise<void> => {
    const answer = await web.validate(audience, bad);
    expect(answer).toMatchObject({ code: grpc.invalidArgument, messages: [] });
    expect(answer.text).not.toContain(parts()[2]);
  };

  it('JR-29 WA-20 an empty audience or an empty token is InvalidArgument', async () => {
    await refuses(token, '');
    await refuses('', 'reports');
  });

  it('JR-30 JR-24 another audience is InvalidArgument, compared exactly', async () => {
    for (const audience of ['billing', 'Reports', 'report', 'reports ', 'rep*']) await refuses(token, audience);
  });

  it('JR-24 JT-01 JT-02 JT-03 what is not three parts of base64url is refused', async () => {
    const [header, claims, signature] = parts();
    const json = JSON.stringify({ payload: claims, signatures: [{ protected: header, signature }] });
    const shapes = ['a', 'a.b', `${header}.${claims}`, `${header}.${claims}.`, `${token}.x`, `${token}.x.y`, json];
    for (const bad of [...shapes, `${token}=`, ` ${token}`, `${token}\n`, `${header}.${claims}+.${signature}`])
      await refuses(bad);
  });

  it('JR-24 JT-05 every other algorithm is refused', async () => {
    for (const alg of ['none', 'None', 'HS256', 'EdDSA', 'ES256K', 'ES384', 'RS256', '', 256, null]) {
      await refuses(altered({ alg }, {}));
    }
    const [, claims] = parts();
    await refuses(`${encode({ alg: 'none', typ: 'JWT' })}.${claims}.`);
  });

  it('JR-24 SE-16 an HMAC keyed with the public key is refused', async () => {
    const key = first(jwks((await web.jwtBundles()).bundles.get('spiffe://example.org')));
    const input = `${encode({ alg: 'HS256', kid: key.kid, typ: 'JWT' })}.${parts()[1]}`;
    for (const secret of [publicKeyOf(key), JSON.stringify(key)]) {
      await refuses(`${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`);
    }
  });

  it('JR-24 JT-09 JT-11 other types and headers that bring a key along are refused', async () => {
    for (const typ of ['jwt', 'at+jwt', 'wit+jwt', 1]) await refuses(altered({ typ }, {}));
    const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
    for (const extra of [
      { crit: ['exp'] },
      { jku: 'http://localhost/' },
      { jwk },
      { x5c: ['MII'] },
      { x5u: 'http://localhost/' },
    ]) {
      await refuses(altered(extra, {}));
    }
  });

  it('JR-24 JT-30 an unknown kid, no kid and a kid in another spelling are refused', async () => {
    for (const kid of ['unknown', '', `${readToken(token).header['kid']}x`, undefined]) {
      await refuses(altered({ kid }, {}));
    }
  });

  it('JR-24 JT-13 JT-15 JT-21 JT-22 ID-27 claims that were changed after signing are refused', async () => {
    const changes = [{ sub: 'spiffe://example.org/admin' }, { sub: '' }, { sub: undefined }, { sub: 1 }];
    const times = [{ exp: 1 }, { exp: undefined }, { exp: null }, { exp: '9999999999' }, { exp: 9_999_999_999 }];
    for (const change of [...changes, ...times, { aud: [] }, { aud: undefined }, { aud: '' }])
      await refuses(altered({}, change));
  });

  it('JR-24 JT-31 a changed signature and one in DER are refused', async () => {
    const [header, claims, signature] = parts();
    const raw = Buffer.from(signature, 'base64url');
    raw[10] = (raw[10] ?? 0) ^ 1;
    await refuses(`${header}.${claims}.${raw.toString('base64url')}`);
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    await refuses(
      `${header}.${claims}.${sign('sha256', Buffer.from(`${header}.${claims}`), key).toString('base64url')}`,
    );
  });

  it('JR-24 JT-28 JT-29 a key of another use does not count: not the workload’s own X.509 key', async () => {
    const { svids } = decodeX509SvidResponse(granted(await web.call('FetchX509SVID')));
    const [header, claims] = parts();
    const key = { key: first(svids).x509SvidKey, format: 'der', type: 'pkcs8', dsaEncoding: 'ieee-p1363' } as const;
    await refuses(
      `${header}.${claims}.${sign('sha256', Buffer.from(`${header}.${claims}`), key).toString('base64url')}`,
    );
  });

  it('JR-25 a token of a trust domain without a bundle here is refused', async () => {
    await refuses(altered({}, { sub: 'spiffe://other.org/web' }));
    await using other = await startMayfly({ trustDomain: 'other.org' });
    await other.operator.create({
      spiffeId: 'spiffe://other.org/web',
      selectors: ['unix:uid:10001'],
      audiences: ['reports'],
    });
    const foreign = first(await (await other.workload(10001)).jwt(['reports'])).svid;
    await refuses(foreign);
  });

  it('ID-23 JT-28 a trust domain of the same name with other keys is another one', async () => {
    await using twin = await startMayfly();
    await twin.operator.create({
      spiffeId: 'spiffe://example.org/web',
      selectors: ['unix:uid:10001'],
      audiences: ['reports'],
    });
    await refuses(first(await (await twin.workload(10001)).jwt(['reports'])).svid);
  });

  it('ID-28 a document of another kind is no SVID: SAML, PASETO, an SSH or X.509 certificate, a WIT', async () => {
    const { x509Svid } = first((await web.x509()).svids);
    const others = ['<saml:Assertion/>', 'v4.public.eyJzdWIiOiJ4In0', 'ssh-ed25519-cert-v01@openssh.com AAAA'];
    for (const document of [...others, x509Svid.toString('base64'), altered({ typ: 'wit+jwt' }, {})])
      await refuses(document);
  });

  it('SE-27 a token beyond all measure is refused before it is looked at', () => refuses('x'.repeat(17_000)));

  it('JR-30 the reason is one a stranger may read', async () => {
    const { text } = await web.validate('reports', altered({}, { sub: 'spiffe://example.org/admin' }));
    expect(text).not.toMatch(/BEGIN|node:|\.ts|\bat \w+ \(/);
  });
});
