import { createPublicKey, generateKeyPairSync, type JsonWebKey, type KeyObject } from 'node:crypto';
import fc from 'fast-check';
import { createLocalJWKSet, importJWK, jwtVerify, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { mint, mintCa } from '../../test/fakes/minter.ts';
import { IdentityError } from '../errors.ts';
import { type Bundle, formatBundle, formatJwks, formatPlainJwks, parseBundle, parseJwks } from './bundle.ts';
import { TrustDomain } from './id.ts';
import { verifyJwtSvid } from './jwt-svid.ts';
import { verifyX509Svid } from './x509-svid.ts';

const at = Date.parse('2026-11-23T12:00:00Z');
const td = TrustDomain.parse('a.example');
const roots = { one: await mintCa('a.example'), rsa: await mintCa('a.example', { key: 'RSA' }) };
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const bundle: Bundle = {
  trustDomain: td,
  x509Authorities: [roots.one.der, roots.rsa.der],
  jwtAuthorities: [
    { keyId: 'ec', publicKey: ec.publicKey },
    { keyId: 'rsa', publicKey: rsa.publicKey },
  ],
  sequence: 7n,
  refreshHintSeconds: 300,
};
type Jwk = Record<string, unknown>;
const document = JSON.parse(formatBundle(bundle)) as { keys: Jwk[]; spiffe_sequence: number };
const [x509 = {}, x509Rsa = {}, jwt = {}, jwtRsa = {}] = document.keys;
const parse = (value: unknown): Bundle => parseBundle(td, typeof value === 'string' ? value : JSON.stringify(value));
const withKeys = (...keys: unknown[]): Bundle => parse({ keys });
const jwkOf = (key: KeyObject): JsonWebKey => key.export({ format: 'jwk' });
const kids = ({ jwtAuthorities }: Bundle): string[] => jwtAuthorities.map(({ keyId }) => keyId);

function expectRefused(reason: string, ...values: unknown[]): void {
  for (const value of values) {
    expect(() => parse(value), JSON.stringify(value)?.slice(0, 120)).toThrow(
      expect.objectContaining({ code: 'invalid-argument', reason }),
    );
  }
}

describe('publishing', () => {
  it('BF-01 BF-05 BF-09 writes keys, the sequence and the refresh hint', () => {
    expect(document).toEqual({ keys: [x509, x509Rsa, jwt, jwtRsa], spiffe_sequence: 7, spiffe_refresh_hint: 300 });
  });

  it('BF-08 writes the sequence as an integer of any size', () => {
    for (const sequence of [0n, 2n ** 53n + 1n, 2n ** 64n - 1n]) {
      expect(formatBundle({ ...bundle, sequence })).toContain(`"spiffe_sequence":${sequence}`);
    }
    const without = formatBundle({ ...bundle, sequence: undefined, refreshHintSeconds: undefined });
    expect(Object.keys(JSON.parse(without))).toEqual(['keys']);
  });

  it('BF-07 writes the same text for the same content', () => {
    expect(formatBundle(parse(formatBundle(bundle)))).toBe(formatBundle(bundle));
  });

  it('BF-12 BF-14 BF-16 BF-18 BF-25 BF-31 BF-33 writes the members that are needed and no other', () => {
    expect(Object.keys(x509).sort()).toEqual(['crv', 'kty', 'use', 'x', 'x5c', 'y']);
    expect(Object.keys(x509Rsa).sort()).toEqual(['e', 'kty', 'n', 'use', 'x5c']);
    expect(Object.keys(jwt).sort()).toEqual(['crv', 'kid', 'kty', 'use', 'x', 'y']);
    expect(Object.keys(jwtRsa).sort()).toEqual(['e', 'kid', 'kty', 'n', 'use']);
    expect(document.keys.map(({ use, kty, kid }) => [use, kty, kid])).toEqual([
      ['x509-svid', 'EC', undefined],
      ['x509-svid', 'RSA', undefined],
      ['jwt-svid', 'EC', 'ec'],
      ['jwt-svid', 'RSA', 'rsa'],
    ]);
  });

  it('BF-31 writes no private member even of a private key', () => {
    const careless = { ...bundle, jwtAuthorities: [{ keyId: 'ec', publicKey: ec.privateKey }] };
    expect(Object.keys(JSON.parse(formatJwks(careless.jwtAuthorities)).keys[0])).not.toContain('d');
  });

  it('BF-17 BF-19 writes one entry for each certificate, as standard base64 of its DER', () => {
    expect(document.keys.map(({ x5c }) => x5c)).toEqual([
      [roots.one.der.toString('base64')],
      [roots.rsa.der.toString('base64')],
      undefined,
      undefined,
    ]);
  });

  it('BF-21 writes key members equal to the key of the certificate', () => {
    expect(jwkOf(createPublicKey({ key: x509 as JsonWebKey, format: 'jwk' }))).toMatchObject({
      x: x509['x'],
      y: x509['y'],
    });
    const [read] = parse(formatBundle(bundle)).x509Authorities;
    expect(read).toEqual(roots.one.der);
  });

  it('BF-32 writes an empty list where there is nothing', () => {
    const none = {
      ...bundle,
      x509Authorities: [],
      jwtAuthorities: [],
      sequence: undefined,
      refreshHintSeconds: undefined,
    };
    expect(formatBundle(none)).toBe('{"keys":[]}');
    expect(formatJwks([])).toBe('{"keys":[]}');
  });

  it('writes coordinates as long as the curve, unpadded, also with leading zeros', () => {
    const key = leadingZero();
    const [written] = JSON.parse(formatJwks([{ keyId: 'z', publicKey: key }])).keys as { x: string; y: string }[];
    expect([written?.x.length, written?.y.length]).toEqual([43, 43]);
    expect(parseJwks(td, formatJwks([{ keyId: 'z', publicKey: key }]))[0]?.publicKey.equals(key)).toBe(true);
  });

  it('writes keys that another library verifies with', async () => {
    const text = await new SignJWT({ sub: 'x' }).setProtectedHeader({ alg: 'RS256', kid: 'rsa' }).sign(rsa.privateKey);
    // By key: its JWK sets look for `use` of "sig", which in a SPIFFE bundle is "jwt-svid".
    const key = await importJWK(JSON.parse(formatJwks(bundle.jwtAuthorities)).keys[1], 'RS256');
    expect((await jwtVerify(text, key)).payload).toEqual({ sub: 'x' });
  });

  it('BF-31 writes plain JWK sets that a library without SPIFFE takes as they are', async () => {
    const set = createLocalJWKSet(JSON.parse(formatPlainJwks(bundle.jwtAuthorities)));
    for (const [alg, kid, { privateKey }] of [
      ['ES256', 'ec', ec],
      ['RS256', 'rsa', rsa],
    ] as const) {
      const text = await new SignJWT({ sub: 'x' }).setProtectedHeader({ alg, kid }).sign(privateKey);
      expect((await jwtVerify(text, set)).payload).toEqual({ sub: 'x' });
    }
    const careless = JSON.parse(formatPlainJwks([{ keyId: 'ec', publicKey: ec.privateKey }])).keys[0];
    expect(Object.keys(careless).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
  });
});

describe('reading', () => {
  it('comes back as it was written', () => {
    const read = parse(formatBundle(bundle));
    expect(read).toMatchObject({
      trustDomain: td,
      sequence: 7n,
      refreshHintSeconds: 300,
      x509Authorities: bundle.x509Authorities,
    });
    expect(read.jwtAuthorities.map(({ keyId, publicKey }) => [keyId, jwkOf(publicKey)])).toEqual([
      ['ec', jwkOf(ec.publicKey)],
      ['rsa', jwkOf(rsa.publicKey)],
    ]);
  });

  it('BF-02 refuses a document without a list of keys', () => {
    expectRefused(
      'bundle-form',
      {},
      { keys: null },
      { keys: {} },
      { keys: 'x' },
      { keys: [1] },
      { keys: [null] },
      [],
      null,
      '"x"',
    );
    expectRefused('json-syntax', '', '{"keys":[]');
  });

  it('SE-18 refuses members twice', () => {
    expectRefused('json-duplicate-member', '{"keys":[],"keys":[]}', '{"keys":[{"kty":"EC","kty":"RSA"}]}');
  });

  it('BF-03 BF-04 takes an empty bundle, or one with nothing known in it, as the end of all trust', async () => {
    const leaf = await mint({ issuer: roots.one, uris: ['spiffe://a.example/web'] });
    for (const none of [withKeys(), withKeys({ kty: 'AKP', use: 'x509-svid' }, { ...jwt, use: 'sig' })]) {
      expect(none).toMatchObject({ x509Authorities: [], jwtAuthorities: [] });
      expect(() => verifyX509Svid([leaf.der], () => none.x509Authorities, at)).toThrow(IdentityError);
    }
    expect(verifyX509Svid([leaf.der], () => bundle.x509Authorities, at)).toBe('spiffe://a.example/web');
  });

  it('BF-11 BF-29 needs no other member, knows no trust domain in the document, and minds none', () => {
    const extra = { ...document, trust_domain: 'spiffe://evil.example', other: { deep: [1] } };
    expect(parse(extra)).toMatchObject({ trustDomain: td, sequence: 7n });
    expect(parse({ keys: [] })).toMatchObject({ sequence: undefined, refreshHintSeconds: undefined });
  });

  it('BF-13 BF-15 passes over entries of unknown kty or use, and keeps the others', () => {
    const odd = [
      { ...jwt, kty: 'AKP' },
      { kty: 'oct', use: 'jwt-svid', kid: 'secret', k: 'AAAA' },
      { ...jwt, kty: undefined },
      { ...jwt, kty: 7 },
      { ...x509, kty: 'toString' },
      { ...x509, use: 'X509-SVID' },
      { ...jwt, use: 'sig' },
      { ...jwt, use: undefined },
      { ...jwt, use: ['jwt-svid'] },
      { ...jwt, use: 'wit-svid' },
    ];
    const read = withKeys(...odd, jwt, ...odd, x509);
    expect([kids(read), read.x509Authorities]).toEqual([['ec'], [roots.one.der]]);
  });

  it('BF-22 passes over an x509-svid entry without a certificate', () => {
    expect(withKeys({ ...x509, x5c: undefined }, { ...x509, x5c: [] }, x509Rsa).x509Authorities).toEqual([
      roots.rsa.der,
    ]);
  });

  it('BF-23 takes the first of several certificates and no other', async () => {
    const second = await mintCa('a.example');
    const read = withKeys({ ...x509, x5c: [roots.one.der.toString('base64'), second.der.toString('base64')] });
    expect(read.x509Authorities).toEqual([roots.one.der]);
    const leaf = await mint({ issuer: second, uris: ['spiffe://a.example/web'] });
    expect(() => verifyX509Svid([leaf.der], () => read.x509Authorities, at)).toThrow(IdentityError);
  });

  it('counts a certificate once that stands there more than once, as go-spiffe does', () => {
    const { x509Authorities } = withKeys(x509Rsa, x509, x509, { ...x509, kid: 'another' }, x509Rsa);
    expect(x509Authorities).toEqual([roots.rsa.der, roots.one.der]);
  });

  it('BF-24 BF-26 JT-29 keeps the two kinds apart: a CA key never verifies a JWT-SVID', async () => {
    const kid = 'ca';
    const read = withKeys({ ...x509, kid }, { ...x509, kid, use: 'wit-svid' });
    expect(read.jwtAuthorities).toEqual([]);
    const claims = { sub: 'spiffe://a.example/web', aud: 'x', exp: at / 1000 + 60 };
    const text = await new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid }).sign(roots.one.keys.privateKey);
    expect(() => verifyJwtSvid(text, 'x', () => read.jwtAuthorities, at)).toThrow(IdentityError);
    expect(withKeys(jwt).x509Authorities).toEqual([]);
  });

  it('BF-28 passes over a jwt-svid entry without a kid', () => {
    expect(kids(withKeys({ ...jwt, kid: undefined }, { ...jwt, kid: '' }, { ...jwt, kid: 1 }, jwtRsa))).toEqual([
      'rsa',
    ]);
  });

  it('refuses two keys under one kid', () => {
    expectRefused('bundle-key-id', { keys: [jwt, { ...jwtRsa, kid: 'ec' }] });
  });

  it('BF-21 refuses key members that are not those of the certificate', () => {
    expectRefused('jwk-certificate-key', { keys: [{ ...x509, x: jwt['x'] }] }, { keys: [{ ...x509, kty: 'RSA' }] });
    expectRefused('jwk-certificate-key', { keys: [{ ...x509, x: undefined }] });
  });

  it('BF-19 refuses a certificate that is base64url, in pieces, or none', () => {
    const base64 = roots.one.der.toString('base64');
    for (const x5c of [
      [roots.one.der.toString('base64url')],
      [`${base64}\n`],
      [`${base64.slice(0, 64)}\n${base64.slice(64)}`],
      [1],
    ]) {
      expectRefused('jwk-certificate', { keys: [{ ...x509, x5c }] });
    }
    expectRefused('der', { keys: [{ ...x509, x5c: ['AAAA'] }] });
  });

  it('BF-08 keeps a sequence of 64 bits exact and refuses what is none', () => {
    for (const sequence of ['0', '9007199254740993', '18446744073709551615']) {
      expect(parse(`{"keys":[],"spiffe_sequence":${sequence}}`).sequence).toBe(BigInt(sequence));
    }
    for (const wrong of ['-1', '1.5', '"1"', 'null', '18446744073709551616', '1e30', '[]', 'true']) {
      expectRefused('bundle-sequence', `{"keys":[],"spiffe_sequence":${wrong}}`);
    }
  });

  it('BF-10 takes a hint that cannot be followed as none', () => {
    for (const hint of ['0', '-5', '1.5', '"60"', 'null', '1e30', '99999999999999999999']) {
      expect(parse(`{"keys":[],"spiffe_refresh_hint":${hint}}`).refreshHintSeconds).toBeUndefined();
    }
    expect(parse('{"keys":[],"spiffe_refresh_hint":1}').refreshHintSeconds).toBe(1);
  });

  it('refuses private keys: who published one has to replace it', () => {
    const [priv, privRsa] = [jwkOf(ec.privateKey), jwkOf(rsa.privateKey)];
    expectRefused(
      'jwk-private',
      { keys: [{ ...jwt, d: priv.d }] },
      { keys: [{ ...jwtRsa, ...privRsa }] },
      { keys: [{ ...x509, d: priv.d }] },
    );
  });

  it('refuses keys that are weak, malformed or not on their curve', () => {
    const wrong = [
      { ...jwt, crv: 'secp256k1' },
      { ...jwt, crv: 'P-384' },
      { ...jwt, crv: 'toString' },
      { ...jwt, x: `${jwt['x']}=` },
      { ...jwt, x: Buffer.alloc(33, 1).toString('base64url') },
      { ...jwt, x: Buffer.alloc(31, 1).toString('base64url') },
      { ...jwt, y: undefined },
      { ...jwt, x: jwt['y'] },
      { ...jwtRsa, n: Buffer.alloc(255, 0xff).toString('base64url') },
      { ...jwtRsa, n: Buffer.alloc(1025, 0xff).toString('base64url') },
      { ...jwtRsa, n: `AA${jwtRsa['n']}` },
      { ...jwtRsa, e: 'Ag' },
      { ...jwtRsa, e: 'AQ' },
      { ...jwtRsa, e: undefined },
    ];
    for (const key of wrong) expectRefused('jwk-form', { keys: [key] });
  });

  it('SE-16 passes over keys whose key_ops are not for verifying (RFC 7517 section 4.3)', () => {
    const read = (key_ops: unknown) => parseBundle(td, JSON.stringify({ keys: [{ ...jwt, key_ops }] }));
    for (const operations of [['encrypt'], ['sign'], [], 'verify', { verify: true }])
      expect(read(operations).jwtAuthorities, JSON.stringify(operations)).toEqual([]);
    expect(read(['verify']).jwtAuthorities).toHaveLength(1);
  });

  it('SE-16 passes over Edwards keys, with which no JWT-SVID can be signed, and takes such a CA', async () => {
    const ed = generateKeyPairSync('ed25519').publicKey;
    expect(kids(withKeys({ ...jwkOf(ed), use: 'jwt-svid', kid: 'ed' }))).toEqual([]);
    const root = await mintCa('a.example', { key: 'Ed25519' });
    expect(parse(formatBundle({ ...bundle, x509Authorities: [root.der] })).x509Authorities).toEqual([root.der]);
  });

  it('throws nothing but IdentityError', () => {
    const member = fc.constantFrom('kty', 'use', 'kid', 'crv', 'x', 'y', 'x5c', 'n', 'e', 'd');
    const value = fc.oneof(fc.constantFrom('EC', 'RSA', 'jwt-svid', 'x509-svid', 'P-256', ['AAAA']), fc.jsonValue());
    const key = fc.dictionary(member, value);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(x509, jwt, jwtRsa), key), { maxLength: 3 }), (keys) => {
        try {
          expect(withKeys(...keys.map(([good, changes]) => ({ ...good, ...changes }))).trustDomain).toBe(td);
        } catch (error) {
          expect(error).toBeInstanceOf(IdentityError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('JWK sets of the Workload API', () => {
  it('are read with or without use: the reference server leaves it out', () => {
    const read = parseJwks(td, Buffer.from(JSON.stringify({ keys: [{ ...jwt, use: undefined }, jwtRsa, x509] })));
    expect(read.map(({ keyId }) => keyId)).toEqual(['ec', 'rsa']);
  });

  it('JT-29 give no key of another use', () => {
    for (const use of ['wit-svid', 'x509-svid', 'sig', '', null]) {
      expect(parseJwks(td, JSON.stringify({ keys: [{ ...jwt, use }] }))).toEqual([]);
    }
  });

  it('are refused when they are no set, or a kid is there twice', () => {
    for (const text of ['{}', '[]', '{"keys":null}', '']) expect(() => parseJwks(td, text)).toThrow(IdentityError);
    expect(() => parseJwks(td, JSON.stringify({ keys: [jwt, jwt] }))).toThrow('two of its keys have the same ID');
  });
});

/** A P-256 key with a first byte of x that is zero: one in 256. */
function leadingZero(): KeyObject {
  for (;;) {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    if (Buffer.from(jwkOf(publicKey).x ?? '', 'base64url')[0] === 0) return publicKey;
  }
}
