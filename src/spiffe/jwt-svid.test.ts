import { constants, createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import fc from 'fast-check';
import { CompactSign, decodeProtectedHeader, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { IdentityError } from '../errors.ts';
import { type JwtAuthority, parseJwks } from './bundle.ts';
import { SpiffeId, TrustDomain } from './id.ts';
import {
  type JwtSvidClaims,
  type JwtSvidReason,
  jwtSvidSigningInput,
  parseJwtSvid,
  verifyJwtSvid,
} from './jwt-svid.ts';

const at = Date.parse('2026-11-23T12:00:00Z');
const now = at / 1000;
const id = 'spiffe://a.example/web';
const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve });
const rsa = (modulusLength: number) => generateKeyPairSync('rsa', { modulusLength });
const pairs = {
  p256: ec('P-256'),
  p384: ec('P-384'),
  p521: ec('P-521'),
  rsa: rsa(2048),
  ed: generateKeyPairSync('ed25519'),
  k1: ec('secp256k1'),
};
type KeyName = keyof typeof pairs;
const stranger = ec('P-256');

const authorities: readonly JwtAuthority[] = Object.entries(pairs).map(([keyId, { publicKey }]) => ({
  keyId,
  publicKey,
}));
const foreign: readonly JwtAuthority[] = [{ keyId: 'p256', publicKey: stranger.publicKey }];
const keys = (trustDomain: TrustDomain): readonly JwtAuthority[] | undefined =>
  trustDomain === 'a.example' ? authorities : trustDomain === 'b.example' ? foreign : undefined;

const header = { alg: 'ES256', kid: 'p256', typ: 'JWT' };
const claims = { sub: id, aud: 'reports', exp: now + 300, iat: now };
const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** ES256 over whatever parts a test gives; strings are taken as JSON that is already written. */
function token(parts: { header?: unknown; claims?: unknown; key?: KeyObject } = {}): string {
  const input = `${encode(parts.header ?? header)}.${encode(parts.claims ?? claims)}`;
  const key = parts.key ?? pairs.p256.privateKey;
  return `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}
const withHeader = (changes: object): string => token({ header: { ...header, ...changes } });
const withClaims = (changes: object): string => token({ claims: { ...claims, ...changes } });
const without = (member: string): string =>
  token({ claims: Object.fromEntries(Object.entries(claims).filter(([name]) => name !== member)) });

const verify = (text: string, moment = at, leeway?: number) => verifyJwtSvid(text, 'reports', keys, moment, leeway);

function expectRefused(reason: JwtSvidReason, ...texts: readonly string[]): void {
  for (const text of texts) {
    expect(() => verify(text), `${reason} ${text.slice(0, 200)}`).toThrow(
      expect.objectContaining({ code: 'invalid-argument', message: 'The JWT-SVID is not valid', reason }),
    );
  }
}

describe('a JWT-SVID', () => {
  it('proves the identity in sub to the audience, with its claims', () => {
    const text = token();
    expect(verify(text)).toEqual({
      ...{ id, audience: ['reports'], expiresAt: at + 300_000, issuedAt: at, claims, token: text, keyId: 'p256' },
    });
    expect(parseJwtSvid(text)).toEqual(verify(text));
  });

  it('JT-04 JT-06 is taken with each of the nine algorithms, from an independent hand', async () => {
    const fitting: Readonly<Record<string, KeyName>> = { ES256: 'p256', ES384: 'p384', ES512: 'p521' };
    for (const alg of ['ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']) {
      const kid = fitting[alg] ?? 'rsa';
      const text = await new SignJWT(claims).setProtectedHeader({ alg, kid, typ: 'JWT' }).sign(pairs[kid].privateKey);
      expect(verify(text).id, alg).toBe(id);
    }
  });
});

describe('the form of a JWT-SVID', () => {
  it('JT-01 JT-02 JT-03 ID-28 is compact: no JSON serialization, no JWE, no other number of parts', () => {
    const [protectedPart = '', payload = '', signature = ''] = token().split('.');
    const flattened = { protected: protectedPart, payload, signature };
    expectRefused(
      'token-form',
      JSON.stringify(flattened),
      JSON.stringify({ payload, signatures: [flattened] }),
      '',
      'a.b',
    );
    expectRefused(
      'token-form',
      `${token()}.`,
      `${token()}.a.b`,
      [protectedPart, 'a', 'b', payload, signature].join('.'),
    );
    expectRefused(
      'token-encoding',
      `.${payload}.${signature}`,
      `${protectedPart}..${signature}`,
      `${protectedPart}.${payload}.`,
    );
  });

  it('JT-32 is strict base64url: no padding, no other alphabet, no blanks, no leftover bits', () => {
    const [protectedPart = '', payload = '', signature = ''] = token().split('.');
    for (const tail of ['=', '==', '\n', ' ', '\r\n', '+', '/', '\0', 'é']) {
      expectRefused(
        'token-encoding',
        `${protectedPart}.${payload}.${signature}${tail}`,
        `${protectedPart}${tail}.${payload}.${signature}`,
      );
    }
    expectRefused('token-encoding', `\n${token()}`, token().replace('.', '\n.'));
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = alphabet[(alphabet.indexOf(signature.at(-1) ?? '') & ~15) | 1] ?? '';
    expect(Buffer.from(signature.slice(0, -1) + last, 'base64url')).toEqual(Buffer.from(signature, 'base64url'));
    expectRefused('token-encoding', `${protectedPart}.${payload}.${signature.slice(0, -1)}${last}`);
  });

  it('JT-32 SE-18 is strict JSON: nothing twice, UTF-8, no depth, an object', () => {
    const body = JSON.stringify(claims).slice(1);
    expectRefused('token-json', token({ claims: `{"sub":"spiffe://a.example/admin",${body}` }));
    expectRefused('token-json', token({ header: '{"alg":"none","alg":"ES256","kid":"p256"}' }));
    expectRefused('token-json', token({ claims: `{"deep":${'['.repeat(5000)}${']'.repeat(5000)},${body}` }));
    expectRefused(
      'token-json',
      token({ claims: '[]' }),
      token({ claims: 'null' }),
      token({ claims: `${JSON.stringify(claims)} x` }),
    );
    const latin = Buffer.from(`{"x":"\xff",${body}`, 'latin1').toString('base64url');
    expectRefused('token-json', `${encode(header)}.${latin}.${encode('signature')}`);
  });

  it('SE-27 has at most 16 KiB, and is not read at all beyond', () => {
    const large = withClaims({ x: 'a'.repeat(12_000) });
    expect(large.length).toBeGreaterThan(16_200);
    expect(verify(large).id).toBe(id);
    expectRefused('token-too-large', withClaims({ x: 'a'.repeat(13_000) }), 'a'.repeat(16_385), '.'.repeat(1_000_000));
  });
});

describe('the header of a JWT-SVID', () => {
  it('JT-05 SE-16 has one of the nine algorithms and no other, before anything else is looked at', () => {
    for (const alg of [
      'none',
      'None',
      'HS256',
      'EdDSA',
      'Ed25519',
      'ES256K',
      'ML-DSA-44',
      'es256',
      'ES256 ',
      '',
      1,
      null,
      {},
      ['ES256'],
    ]) {
      expectRefused('header-alg', withHeader({ alg }), `${encode({ ...header, alg })}.x.x`);
    }
    expectRefused(
      'header-alg',
      token({ header: { kid: 'p256' } }),
      withHeader({ alg: 'toString' }),
      withHeader({ alg: '__proto__' }),
    );
    expectRefused('token-encoding', `${encode(header)}.${encode(claims)}.`);
  });

  it('JT-05 SE-16 cannot turn a public key into an HMAC secret', () => {
    const secret = pairs.rsa.publicKey.export({ type: 'spki', format: 'pem' });
    const input = `${encode({ alg: 'HS256', kid: 'rsa' })}.${encode(claims)}`;
    expectRefused('header-alg', `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`);
  });

  it('JT-06 SE-16 fits the key: the record decides, not the header', () => {
    for (const [alg, kid] of [
      ['ES256', 'p384'],
      ['ES384', 'p256'],
      ['RS256', 'p256'],
      ['ES256', 'rsa'],
      ['PS256', 'p521'],
      ['ES256', 'ed'],
      ['ES256', 'k1'],
    ]) {
      expectRefused('key-unfit', withHeader({ alg, kid }));
    }
    expectRefused('signature', withHeader({ alg: 'PS256', kid: 'rsa' }), withHeader({ alg: 'RS512', kid: 'rsa' }));
  });

  it('JT-06 SE-16 has the one algorithm that the key record names, if it names one (R-JWT-1)', async () => {
    const text = await new SignJWT({ aud: 'reports' })
      .setSubject(id)
      .setExpirationTime(now + 300)
      .setProtectedHeader({ alg: 'RS256', kid: 'rsa' })
      .sign(pairs.rsa.privateKey);
    const jwk = { ...pairs.rsa.publicKey.export({ format: 'jwk' }), kid: 'rsa' };
    const known = (alg?: unknown) =>
      parseJwks(TrustDomain.parse('a.example'), JSON.stringify({ keys: [{ ...jwk, alg }] }));
    const against = (alg?: unknown) => () => verifyJwtSvid(text, 'reports', () => known(alg), at);
    expect(against()().id).toBe(id);
    expect(against('RS256')().id).toBe(id);
    expect(against('PS256')).toThrow(expect.objectContaining({ reason: 'key-unfit' }));
    for (const alg of ['HS256', 'none', 'RSA-OAEP', 256, '']) expect(known(alg), String(alg)).toEqual([]);
  });

  it('JT-09 has the type JWT or JOSE, or none', () => {
    for (const typ of ['JWT', 'JOSE']) expect(verify(withHeader({ typ })).id).toBe(id);
    expect(verify(token({ header: { alg: 'ES256', kid: 'p256' } })).id).toBe(id);
    for (const typ of ['jwt', 'at+jwt', 'wit+jwt', 'JWT ', '', null, 1, ['JWT']])
      expectRefused('header-typ', withHeader({ typ }));
  });

  it('JT-11 JT-10 SE-16 has no other member, so none is ever believed or fetched', () => {
    const jwk = stranger.publicKey.export({ format: 'jwk' });
    const others = {
      jku: 'https://evil.example/',
      jwk,
      x5u: 'https://evil.example/',
      x5c: ['AA=='],
      x5t: 'AA',
      crit: [],
    };
    for (const [name, value] of Object.entries({
      ...others,
      'x5t#S256': '',
      zip: 'DEF',
      cty: 'JWT',
      b64: false,
      private: 1,
    })) {
      const more = { ...header, [name]: value };
      expectRefused('header-member', token({ header: more }), token({ header: more, key: stranger.privateKey }));
    }
    expectRefused('header-member', token({ header: '{"alg":"ES256","kid":"p256","__proto__":{"typ":"JWT"}}' }));
  });

  it('JT-08 has a kid: without one it is read, and proves nothing', () => {
    const text = token({ header: { alg: 'ES256', typ: 'JWT' } });
    expect(parseJwtSvid(text).keyId).toBeUndefined();
    expectRefused('header-kid', text, withHeader({ kid: '' }), withHeader({ kid: 1 }), withHeader({ kid: null }));
    const single = () => authorities.slice(0, 1);
    expect(() => verifyJwtSvid(text, 'reports', single, at)).toThrow(expect.objectContaining({ reason: 'header-kid' }));
  });

  it('JT-30 names a key that is known: none is tried on suspicion', () => {
    expectRefused(
      'unknown-key',
      withHeader({ kid: 'other' }),
      withHeader({ kid: 'P256' }),
      withHeader({ kid: 'p256 ' }),
    );
  });
});

describe('the claims of a JWT-SVID', () => {
  it('JT-12 JT-13 have the SPIFFE ID of a workload as sub', () => {
    expectRefused('claim-sub', without('sub'));
    for (const sub of [
      '',
      'web',
      'https://a.example/web',
      'spiffe://a.example',
      'spiffe://a.example/',
      1,
      null,
      [id],
      `${id}?`,
      `${id}/`,
    ]) {
      expectRefused('claim-sub', withClaims({ sub }));
    }
  });

  it('ID-07 ID-11 ID-13 ID-22 have a sub that is canonical as it stands', () => {
    for (const sub of [
      'spiffe://A.example/web',
      'spiffe://a.example/a/../web',
      'spiffe://a.example/%77eb',
      'SPIFFE://a.example/web',
    ]) {
      expectRefused('claim-sub', withClaims({ sub }));
    }
  });

  it('JT-15 have an audience that is there and not empty', () => {
    expectRefused('claim-aud', without('aud'));
    for (const aud of [[], '', [''], ['reports', ''], null, 1, {}, ['reports', 1], [['reports']]]) {
      expectRefused('claim-aud', withClaims({ aud }));
    }
  });

  it('JT-16 JT-17 name the audience that asks, alone or among others, letter by letter', () => {
    for (const aud of ['reports', ['reports'], ['x', 'reports'], ['reports', 'x']]) {
      expect(verify(withClaims({ aud })).audience).toEqual([aud].flat());
    }
    for (const aud of ['Reports', 'reports ', 'report', 'reports2', ['x', 'y'], '*', 'rep*']) {
      expectRefused('audience', withClaims({ aud }));
    }
    expect(() => verifyJwtSvid(token(), '', keys, at)).toThrow(IdentityError);
  });

  it('JT-21 have an end that is a number', () => {
    expectRefused('claim-exp', without('exp'));
    for (const exp of [null, String(now + 300), [], {}, true, -1, 1e300])
      expectRefused('claim-exp', withClaims({ exp }));
    expect(verify(withClaims({ exp: now + 0.5 })).expiresAt).toBe(at + 500);
  });

  it('JT-22 are over at exp, and with a leeway of at most 60 seconds after it', () => {
    const text = withClaims({ exp: now + 10 });
    expect(verify(text, at + 9_999).id).toBe(id);
    for (const moment of [at + 10_000, at + 3_600_000]) expect(() => verify(text, moment)).toThrow(IdentityError);
    expect(verify(text, at + 69_999, 60).id).toBe(id);
    expect(() => verify(text, at + 70_000, 60)).toThrow(expect.objectContaining({ reason: 'expired' }));
    expectRefused('expired', withClaims({ exp: now - 3600, iat: now - 7200 }), withClaims({ exp: now }));
    for (const leeway of [61, -1, Number.NaN]) expect(() => verify(text, at, leeway)).toThrow(TypeError);
  });

  it('JT-24 are not from the future, but for a minute between two clocks', () => {
    expect(verify(withClaims({ iat: now + 60 })).issuedAt).toBe(at + 60_000);
    expectRefused('issued-in-the-future', withClaims({ iat: now + 61 }));
    expect(verify(without('iat')).issuedAt).toBeUndefined();
  });

  it('JT-25 have begun', () => {
    expectRefused('not-yet-valid', withClaims({ nbf: now + 200 }), withClaims({ nbf: now + 600, exp: now + 900 }));
    expect(verify(withClaims({ nbf: now })).id).toBe(id);
    expect(verify(withClaims({ nbf: now + 30 }), at, 30).id).toBe(id);
  });

  it('are of the types of RFC 7519, and in order', () => {
    for (const wrong of [{ iat: 'now' }, { nbf: null }, { nbf: '1' }, { iss: 1 }, { jti: {} }, { iat: -1 }]) {
      expectRefused('claim-type', withClaims(wrong));
    }
    expectRefused('claim-order', withClaims({ iat: now + 301 }), withClaims({ nbf: now + 301 }));
  });

  it('JT-26 JT-27 may be more than the registered ones', () => {
    const extra = { jti: 'unique', iss: 'https://a.example', 'https://a.example/team': ['x', { y: 1 }] };
    expect(verify(withClaims(extra)).claims).toEqual({ ...claims, ...extra });
  });
});

describe('the signature of a JWT-SVID', () => {
  it('JT-28 ID-23 SE-17 is by a key of the trust domain in sub', () => {
    expectRefused('signature', token({ key: stranger.privateKey }), withClaims({ sub: 'spiffe://b.example/web' }));
    expect(verify(token({ claims: { ...claims, sub: 'spiffe://b.example/web' }, key: stranger.privateKey })).id).toBe(
      'spiffe://b.example/web',
    );
    expectRefused('unknown-trust-domain', withClaims({ sub: 'spiffe://c.example/web' }));
    expect(() => verifyJwtSvid(token(), 'reports', () => [], at)).toThrow(
      expect.objectContaining({ reason: 'unknown-key' }),
    );
  });

  it('JT-31 is r and s side by side, never a DER sequence, never of another length', () => {
    const input = token().split('.').slice(0, 2).join('.');
    const signed = (signature: Buffer): string => `${input}.${signature.toString('base64url')}`;
    const raw = sign('sha256', Buffer.from(input), { key: pairs.p256.privateKey, dsaEncoding: 'ieee-p1363' });
    expect(verify(signed(raw)).id).toBe(id);
    expectRefused('signature', signed(sign('sha256', Buffer.from(input), pairs.p256.privateKey)));
    expectRefused(
      'signature',
      signed(Buffer.alloc(64)),
      signed(raw.subarray(1)),
      signed(Buffer.concat([raw, Buffer.of(0)])),
    );
    expectRefused(
      'signature',
      signed(Buffer.concat([raw.subarray(0, 32), Buffer.alloc(32)])),
      signed(Buffer.alloc(64, 0xff)),
    );
    const padded = Buffer.concat([Buffer.of(0), raw.subarray(0, 32), Buffer.of(0), raw.subarray(32)]);
    expectRefused('signature', signed(padded));
  });

  it('has a salt as long as the hash with RSASSA-PSS', () => {
    const input = `${encode({ ...header, alg: 'PS256', kid: 'rsa' })}.${encode(claims)}`;
    const key = { key: pairs.rsa.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING };
    const signed = (saltLength: number): string =>
      `${input}.${sign('sha256', Buffer.from(input), { ...key, saltLength }).toString('base64url')}`;
    expect(verify(signed(32)).id).toBe(id);
    expectRefused('signature', signed(20), signed(0));
  });

  it('ID-27 SE-16 fails with any one character of the token changed (R-ISS-3)', () => {
    const text = token();
    const characters = 'ABCZabcz0189-_.=+/ \n{"é';
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom(...characters), (place, character) => {
        fc.pre(text[place] !== character);
        const changed = text.slice(0, place) + character + text.slice(place + 1);
        expect(() => verify(changed)).toThrow(IdentityError);
      }),
      { numRuns: 2000 },
    );
  });

  it('is never reached by noise, which is refused and nothing worse', () => {
    const part = fc.oneof(fc.string(), fc.json().map(encode), fc.constant(encode(header)), fc.constant(encode(claims)));
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
        expect(() => verify(parts.join('.'))).toThrow(IdentityError);
      }),
    );
  });
});

describe('issuing', () => {
  const issued: JwtSvidClaims = {
    sub: SpiffeId.parseWorkload(id),
    aud: ['reports'],
    exp: now + 300,
    iat: now,
    jti: 'one',
  };
  const es256 = { alg: 'ES256', kid: 'p256' } as const;
  const input = (changes: Partial<JwtSvidClaims> = {}): string => jwtSvidSigningInput(es256, { ...issued, ...changes });
  const finish = (text: string): string =>
    `${text}.${sign('sha256', Buffer.from(text), { key: pairs.p256.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  const payloadOf = (text: string): JWTPayload =>
    JSON.parse(Buffer.from(text.split('.')[1] ?? '', 'base64url').toString());

  it('JT-01 JT-04 JT-07 JT-10 writes alg, kid and typ, and no other header', () => {
    expect(input()).toMatch(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/);
    expect(decodeProtectedHeader(finish(input()))).toEqual({ alg: 'ES256', kid: 'p256', typ: 'JWT' });
  });

  it('JT-09 writes the type JWT, which another library accepts with all the rest', async () => {
    const text = finish(input());
    const options = { audience: 'reports', typ: 'JWT', currentDate: new Date(at), algorithms: ['ES256'] };
    const { payload } = await jwtVerify(text, pairs.p256.publicKey, options);
    expect(payload).toEqual({ sub: id, aud: 'reports', exp: now + 300, iat: now, jti: 'one' });
    expect(verify(text).id).toBe(id);
  });

  it('JT-12 JT-14 JT-20 JT-24 JT-27 writes sub, aud, exp, iat and jti, times as integers', () => {
    expect(payloadOf(input({ nbf: now, iss: 'https://a.example' }))).toEqual({
      ...{ iss: 'https://a.example', sub: id, aud: 'reports', exp: now + 300, nbf: now, iat: now, jti: 'one' },
    });
    for (const wrong of [{ exp: now + 0.5 }, { iat: Number.NaN }, { nbf: 1.5 }, { aud: [] }]) {
      expect(() => input(wrong)).toThrow(TypeError);
    }
    expect(() => jwtSvidSigningInput({ ...es256, kid: '' }, issued)).toThrow(TypeError);
  });

  it('JT-17 writes one audience as a string and several as a list, in their order', () => {
    expect(payloadOf(input()).aud).toBe('reports');
    expect(payloadOf(input({ aud: ['b', 'a'] })).aud).toEqual(['b', 'a']);
  });

  it('ID-17 has room for an ID of 2048 bytes, also with the largest RSA key', async () => {
    const longest = SpiffeId.parseWorkload(id.padEnd(2048, 'x'));
    expect(verify(finish(input({ sub: longest }))).id).toBe(longest);
    expect(() => jwtSvidSigningInput({ alg: 'RS256', kid: 'a'.repeat(32) }, { ...issued, sub: longest })).not.toThrow();
  });

  it('JT-34 refuses a token of more than 4 KiB and says what to ask for instead', () => {
    const many = Array.from({ length: 16 }, (_, n) => `${n}`.padEnd(1024, 'a'));
    expect(() => input({ aud: many })).toThrow(
      expect.objectContaining({
        ...{ code: 'invalid-argument', reason: 'token-too-large' },
        message: 'The JWT-SVID would be longer than 4096 bytes: ask for fewer or shorter audiences',
      }),
    );
    expect(finish(input({ aud: Array.from({ length: 16 }, (_, n) => `service-${n}`) })).length).toBeLessThan(4096);
  });

  it('is refused when another library signs something that is no JWT-SVID', async () => {
    const signed = await new CompactSign(Buffer.from('not claims'))
      .setProtectedHeader({ alg: 'ES256', kid: 'p256' })
      .sign(pairs.p256.privateKey);
    expectRefused('token-json', signed);
  });
});
