/** Tokens that break one rule each, or look as if they did; all but those about signatures are signed by the real key. */
import { constants, createHmac, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { keyOf } from '../forge.ts';

export interface TokenCase {
  readonly name: string;
  readonly token: string;
}

export const audience = 'reports';
export const trustDomain = 'example.org';
const key = keyOf('jwt');
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const jwk = (one: KeyObject, kid: string): object => ({
  kid,
  use: 'jwt-svid',
  ...createPublicKey(one).export({ format: 'jwk' }),
});

/** What both sides are given to verify with. */
export const keySet = JSON.stringify({
  keys: [jwk(key, 'k1'), jwk(rsa.privateKey, 'r1'), jwk(p384.privateKey, 'k384')],
});

type Json = unknown;
const b64 = (text: string | Buffer): string => Buffer.from(text as string).toString('base64url');
const json = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value));

const es256 = (input: string, by = key): string =>
  sign('sha256', Buffer.from(input), { key: by, dsaEncoding: 'ieee-p1363' }).toString('base64url');
const signed = (header: Json, claims: Json, signature = es256): string => {
  const input = `${b64(json(header))}.${b64(json(claims))}`;
  return `${input}.${signature(input)}`;
};

const seconds = Math.floor(Date.now() / 1000);
const header = { alg: 'ES256', kid: 'k1', typ: 'JWT' };
const claims = { sub: 'spiffe://example.org/web', aud: [audience], exp: seconds + 300, iat: seconds };
const good = signed(header, claims);
const [h = '', p = '', s = ''] = good.split('.');

const cases: TokenCase[] = [];
const add = (name: string, token: string): void => void cases.push({ name, token });
const withHeader = (name: string, changes: object): void =>
  add(`header: ${name}`, signed({ ...header, ...changes }, claims));
const withClaims = (name: string, changes: object): void =>
  add(`claims: ${name}`, signed(header, { ...claims, ...changes }));

function headers(): void {
  for (const alg of [
    'none',
    'None',
    'NONE',
    'HS256',
    'ES384',
    'ES512',
    'ES256K',
    'EdDSA',
    'RS256',
    'PS256',
    'es256',
    '',
    null,
    1,
    ['ES256'],
  ])
    withHeader(`alg ${JSON.stringify(alg)}`, { alg });
  for (const typ of ['JOSE', 'jwt', 'at+jwt', 'application/jwt', '', null, 1, ['JWT'], 'JWT ', 'JWTX'])
    withHeader(`typ ${JSON.stringify(typ)}`, { typ });
  for (const kid of ['k2', 'K1', '', null, 1, ['k1'], 'k1 ', 'r1', 'k384', '../k1', 'k1\u0000'])
    withHeader(`kid ${JSON.stringify(kid)}`, { kid });
  const more: Readonly<Record<string, Json>> = {
    crit: ['exp'],
    'crit ': [],
    b64: false,
    zip: 'DEF',
    cty: 'JWT',
    jku: 'https://evil.example/keys',
    x5u: 'https://evil.example/chain',
    x5c: ['AA=='],
    x5t: 'AA',
    jwk: jwk(key, 'k1'),
    enc: 'A256GCM',
    iss: 'x',
    sub: 'spiffe://example.org/admin',
  };
  for (const [name, value] of Object.entries(more)) withHeader(`with ${name}`, { [name.trim()]: value });
  add('header: crit is empty', signed({ ...header, crit: [] }, claims));
  add('header: without typ', signed({ alg: 'ES256', kid: 'k1' }, claims));
  add('header: without kid', signed({ alg: 'ES256', typ: 'JWT' }, claims));
  add('header: without alg', signed({ kid: 'k1', typ: 'JWT' }, claims));
  add('header: alg twice', signed('{"alg":"none","alg":"ES256","kid":"k1"}', claims));
  add('header: alg and ALG', signed('{"alg":"ES256","ALG":"none","kid":"k1"}', claims));
  add('header: Alg alone', signed('{"Alg":"ES256","kid":"k1"}', claims));
  add('header: a list', signed('[{"alg":"ES256","kid":"k1"}]', claims));
  add('header: blanks', signed(' { "alg" : "ES256" , "kid" : "k1" } ', claims));
  add('header: something after it', signed('{"alg":"ES256","kid":"k1"}x', claims));
  add('header: two objects', signed('{"alg":"ES256","kid":"k1"}{}', claims));
  add('header: a byte order mark', signed('\ufeff{"alg":"ES256","kid":"k1"}', claims));
  add('header: a comment', signed('{"alg":"ES256","kid":"k1"/**/}', claims));
  add('header: nothing', signed('', claims));
}

function subjects(): void {
  const subs: readonly Json[] = [
    ...[
      '',
      'web',
      'spiffe://example.org',
      'spiffe://example.org/',
      'spiffe://example.org/web/',
      'spiffe://example.org//web',
    ],
    ...[
      'SPIFFE://example.org/web',
      'spiffe://EXAMPLE.org/web',
      'spiffe://example.org/a/../web',
      'spiffe://example.org/%77eb',
    ],
    ...[
      'spiffe://example.org/web?x',
      'spiffe://example.org/web#x',
      'spiffe://u@example.org/web',
      'spiffe://example.org:443/web',
    ],
    ...[
      'spiffe://other.org/web',
      'https://example.org/web',
      'spiffe:///web',
      ' spiffe://example.org/web',
      'spiffe://example.org/web\n',
    ],
    ...['spiffe://example.org/web\u0000', 'spiffe://example.org/wéb', `spiffe://example.org/${'a'.repeat(2028)}`],
    ...[null, 1, ['spiffe://example.org/web'], { id: 'spiffe://example.org/web' }, true],
  ];
  for (const sub of subs) withClaims(`sub ${json(sub)?.slice(0, 60)}`, { sub });
}

function otherClaims(): void {
  for (const aud of [
    'reports',
    'other',
    '',
    [],
    [''],
    ['other'],
    ['other', 'reports'],
    ['reports', 'reports'],
    ['REPORTS'],
    ['reports '],
    [1, 'reports'],
    ['reports', null],
    [['reports']],
    null,
    1,
    { a: 'reports' },
  ])
    withClaims(`aud ${JSON.stringify(aud)}`, { aud });
  for (const exp of [
    seconds - 1,
    seconds - 59,
    seconds - 61,
    seconds - 3600,
    0,
    -1,
    seconds - 0.5,
    `${seconds + 300}`,
    null,
    true,
    [seconds + 300],
    1e300,
    253_402_300_800,
    2 ** 53,
    -(2 ** 53),
  ])
    withClaims(
      `exp ${typeof exp === 'number' && exp > seconds - 4000 && exp < seconds + 400 ? `now ${exp - seconds}` : JSON.stringify(exp)}`,
      { exp },
    );
  for (const [what, iat] of Object.entries({
    'in 30 s': seconds + 30,
    'in 2 min': seconds + 120,
    'long ago': 1,
    text: `${seconds}`,
    none: null,
    negative: -1,
    'a list': [seconds],
  }))
    withClaims(`iat ${what}`, { iat });
  for (const [what, nbf] of Object.entries({
    'in 30 s': seconds + 30,
    'in 2 min': seconds + 120,
    'long ago': 1,
    text: `${seconds}`,
    none: null,
    'a list': [1],
  }))
    withClaims(`nbf ${what}`, { nbf });
  for (const [what, iss] of Object.entries({ text: 'https://x', number: 1, none: null, 'a list': ['x'] }))
    withClaims(`iss ${what}`, { iss });
  for (const [what, jti] of Object.entries({ text: 'x', number: 1, none: null })) withClaims(`jti ${what}`, { jti });
  for (const name of ['sub', 'aud', 'exp', 'iat'])
    add(
      `claims: without ${name}`,
      signed(header, Object.fromEntries(Object.entries(claims).filter(([one]) => one !== name))),
    );
  const text = JSON.stringify(claims);
  add('claims: sub twice', signed(header, text.replace('{', '{"sub":"spiffe://example.org/admin",')));
  add('claims: sub and SUB', signed(header, text.replace('{', '{"SUB":"spiffe://example.org/admin",')));
  add('claims: Sub alone', signed(header, text.replace('"sub"', '"Sub"')));
  add('claims: a list', signed(header, `[${text}]`));
  add('claims: null', signed(header, 'null'));
  add('claims: empty object', signed(header, '{}'));
  add('claims: something after them', signed(header, `${text}x`));
  add('claims: nested 20 deep', signed(header, text.replace('{', `{"x":${'['.repeat(20)}${']'.repeat(20)},`)));
  add('claims: nested 5000 deep', signed(header, text.replace('{', `{"x":${'['.repeat(5000)}${']'.repeat(5000)},`)));
  add('claims: a number beyond a double', signed(header, text.replace('{', '{"x":1e400,')));
  add('claims: an exponent in exp', signed(header, text.replace(`${seconds + 300}`, '2.5e9')));
  add('claims: a leading zero', signed(header, text.replace('{', '{"x":01,')));
  add('claims: a raw control character', signed(header, text.replace('{', '{"x":"\u0001",')));
  add('claims: half a surrogate pair', signed(header, text.replace('{', '{"x":"\\ud800",')));
  const broken = Buffer.concat([
    Buffer.from(text.slice(0, -1)),
    Buffer.from(',"x":"'),
    Buffer.of(0xff, 0xfe),
    Buffer.from('"}'),
  ]);
  const input = `${h}.${b64(broken)}`;
  add('claims: not UTF-8', `${input}.${es256(input)}`);
  add('claims: 16 KiB', signed(header, { ...claims, x: 'a'.repeat(16_384) }));
  add('claims: 1 MiB', signed(header, { ...claims, x: 'a'.repeat(1 << 20) }));
}

function structures(): void {
  const forms: Readonly<Record<string, string>> = {
    'two parts': `${h}.${p}`,
    'no signature': `${h}.${p}.`,
    'four parts': `${good}.`,
    'five parts': `${good}.a.b`,
    nothing: '',
    dots: '..',
    'a blank before': ` ${good}`,
    'a blank after': `${good} `,
    'a line break after': `${good}\n`,
    'a line break inside': `${h}.\n${p}.${s}`,
    'a line break in the signature': `${h}.${p}.${s.slice(0, 40)}\n${s.slice(40)}`,
    'a carriage return': `${good}\r\n`,
    'a tab': `${h}\t.${p}.${s}`,
    'a NUL': `${good}\0`,
    padding: `${h}.${p}.${s}==`,
    'padding in the header': `${h}=.${p}.${s}`,
    'the other alphabet': `${h}.${p}.${s.replaceAll('-', '+').replaceAll('_', '/')}`,
    'Bearer before it': `Bearer ${good}`,
    'JSON serialization': JSON.stringify({ payload: p, protected: h, signature: s }),
    'general JSON serialization': JSON.stringify({ payload: p, signatures: [{ protected: h, signature: s }] }),
    'a character outside the alphabet': `${h}.${p}.${s.slice(0, -1)}!`,
    'header and claims exchanged': `${p}.${h}.${s}`,
    'a letter that is not ASCII': `${good}é`,
    'a detached payload': `${h}..${s}`,
  };
  for (const [name, token] of Object.entries(forms)) add(`form: ${name}`, token);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  for (const bit of [1, 2, 3]) {
    const last = alphabet[alphabet.indexOf(s.at(-1) ?? '') ^ bit] ?? '';
    add(`form: leftover bits ${bit} in the last character`, `${h}.${p}.${s.slice(0, -1)}${last}`);
  }
}

function signatures(): void {
  const input = `${h}.${p}`;
  const raw = Buffer.from(s, 'base64url');
  const put = (name: string, bytes: Buffer): void =>
    add(`signature: ${name}`, `${input}.${bytes.toString('base64url')}`);
  put('as DER', sign('sha256', Buffer.from(input), key));
  put('zeros', Buffer.alloc(64));
  put('r of zero', Buffer.concat([Buffer.alloc(32), raw.subarray(32)]));
  put('s of zero', Buffer.concat([raw.subarray(0, 32), Buffer.alloc(32)]));
  put('one byte less', raw.subarray(0, 63));
  put('one byte more', Buffer.concat([raw, Buffer.of(0)]));
  put('a zero in front', Buffer.concat([Buffer.of(0), raw]));
  put('r and s exchanged', Buffer.concat([raw.subarray(32), raw.subarray(0, 32)]));
  put('of SHA-384', sign('sha384', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }));
  put('by a stranger', Buffer.from(es256(input, keyOf('stranger')), 'base64url'));
  const order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
  const other = (order - BigInt(`0x${raw.toString('hex', 32)}`)).toString(16).padStart(64, '0');
  put('the other s', Buffer.concat([raw.subarray(0, 32), Buffer.from(other, 'hex')]));
  put('s plus the order', Buffer.concat([raw.subarray(0, 32), Buffer.alloc(32, 0xff)]));
  const hmac = (secret: Buffer) => (text: string) => createHmac('sha256', secret).update(text).digest('base64url');
  const spki = createPublicKey(key).export({ type: 'spki', format: 'pem' });
  add('signature: HMAC with the public key', signed({ ...header, alg: 'HS256' }, claims, hmac(Buffer.from(spki))));
  const withRsa = (padding: number | undefined) => (text: string) =>
    sign('sha256', Buffer.from(text), {
      key: rsa.privateKey,
      ...(padding === undefined ? {} : { padding, saltLength: 32 }),
    }).toString('base64url');
  add('signature: RS256', signed({ ...header, alg: 'RS256', kid: 'r1' }, claims, withRsa(undefined)));
  add(
    'signature: PS256',
    signed({ ...header, alg: 'PS256', kid: 'r1' }, claims, withRsa(constants.RSA_PKCS1_PSS_PADDING)),
  );
  add(
    'signature: PS256 that says RS256',
    signed({ ...header, alg: 'RS256', kid: 'r1' }, claims, withRsa(constants.RSA_PKCS1_PSS_PADDING)),
  );
  const es384 = (text: string): string =>
    sign('sha384', Buffer.from(text), { key: p384.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url');
  add('signature: ES384', signed({ ...header, alg: 'ES384', kid: 'k384' }, claims, es384));
  add('signature: ES384 that says ES256', signed({ ...header, kid: 'k384' }, claims, es384));
}

add('a good token', good);
for (const group of [headers, subjects, otherClaims, structures, signatures]) group();

export const tokenCases: readonly TokenCase[] = cases;
export const seeds = cases.map(({ token }) => Buffer.from(token)).filter(({ length }) => length < 4096);

/** Signs header and claims as they stand, whatever they are. */
export const resigned = (token: string): string => {
  const [first = '', second = ''] = token.split('.');
  return `${first}.${second}.${es256(`${first}.${second}`)}`;
};
