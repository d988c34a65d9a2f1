import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { calculateJwkThumbprint, decodeProtectedHeader, exportJWK, jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import { clientAssertion } from './assertion.ts';
import { checkPair, readToken, type TokenQuestion, tokenRequest } from './oauth.ts';

const now = Date.parse('2026-11-26T12:00:00Z');
const endpoint = 'https://login.example.org/token?x=1';
const base: TokenQuestion = { endpoint, grant: 'token-exchange', clientAuth: 'none', token: 'our.own.token' };
const formOf = (question: Partial<TokenQuestion>) =>
  [...new URLSearchParams(tokenRequest({ ...base, ...question }).body)].map(([name, value]) => `${name}=${value}`);
const read = (body: unknown, question: Partial<TokenQuestion> = {}) =>
  readToken(
    { status: 200, headers: {}, body: typeof body === 'string' ? body : JSON.stringify(body) },
    { ...base, ...question },
    now,
  );
const jwt = (claims: object): string =>
  ['{"alg":"ES256"}', JSON.stringify(claims), 'signature']
    .map((part) => Buffer.from(part).toString('base64url'))
    .join('.');

describe('a request to a token endpoint', () => {
  it('exchanges (RFC 8693 section 2.1): our token is the subject', () => {
    const more = {
      audience: 'reports',
      resources: ['https://a/', 'https://b/'],
      scope: 'read write',
      requestedTokenType: 'urn:ietf:params:oauth:token-type:access_token',
    };
    expect(formOf(more)).toEqual([
      'grant_type=urn:ietf:params:oauth:grant-type:token-exchange',
      'subject_token=our.own.token',
      'subject_token_type=urn:ietf:params:oauth:token-type:jwt',
      'requested_token_type=urn:ietf:params:oauth:token-type:access_token',
      'resource=https://a/',
      'resource=https://b/',
      'audience=reports',
      'scope=read write',
    ]);
  });

  it.each([
    ['jwt-spiffe', 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe'],
    ['jwt-bearer', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'],
    ['private-key-jwt', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'],
  ] as const)('proves the client by an assertion (RFC 7521 section 4.2): %s', (clientAuth, type) => {
    expect(
      formOf({ grant: 'client-credentials', clientAuth, clientId: 'c', assertion: 'a.b.c', token: undefined }),
    ).toEqual([
      ...['grant_type=client_credentials', 'client_id=c', `client_assertion_type=${type}`, 'client_assertion=a.b.c'],
    ]);
  });

  it('gives an assertion as the grant itself (RFC 7523 section 2.1)', () => {
    expect(formOf({ grant: 'jwt-bearer' })).toEqual([
      'grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer',
      'assertion=our.own.token',
    ]);
  });

  it('is not sent again where what it shows is of one use', () => {
    expect(tokenRequest({ ...base, clientAuth: 'private-key-jwt' }).attempts).toBe(1);
    expect(tokenRequest(base).attempts).toBeUndefined();
  });

  it('makes no sense as client_credentials of nobody', () => {
    expect(() => checkPair('client-credentials', 'none')).toThrow(
      expect.objectContaining({ code: 'invalid-argument' }),
    );
    checkPair('token-exchange', 'none');
  });
});

describe('the answer of a token endpoint', () => {
  it('is a token and its end', () => {
    expect(
      read({ access_token: 'x', token_type: 'Bearer', expires_in: 60, scope: 'read', issued_token_type: 't' }),
    ).toEqual({
      ...{ accessToken: 'x', tokenType: 'Bearer', scope: 'read', issuedTokenType: 't', expiresAt: now + 60_000 },
    });
    expect(read({ access_token: 'x', expires_in: '60' }).expiresAt).toBe(now + 60_000);
    expect(read({ access_token: 'x' }).expiresAt).toBeUndefined();
    expect(read({ access_token: jwt({ aud: ['reports', 'more'] }) }, { audience: 'reports' }).tokenType).toBe('Bearer');
  });

  it.each([
    ['[]', 'answers with something that is no JSON object'],
    ['', 'answers with something that is no JSON object'],
    [{ token: 'x' }, 'answers without an access_token'],
    [{ access_token: '' }, 'answers with access_token that is no text'],
    [{ access_token: 7 }, 'answers with access_token that is no text'],
    [{ access_token: 'a\nb' }, 'answers with an access_token that no header can hold'],
    [{ access_token: 'x', expires_in: -1 }, 'answers with an expires_in that is no time'],
    [{ access_token: 'x', expires_in: 'soon' }, 'answers with an expires_in that is no time'],
    [
      { access_token: 'x', issued_token_type: 'urn:other' },
      'answers with a token of another type than was asked for: "urn:other"',
    ],
    [{ access_token: jwt({ aud: 'payments' }) }, 'answers with a token for somebody else: "payments"'],
    [{ access_token: jwt({ aud: 'reports', exp: now / 1_000 - 1 }) }, 'answers with a token that has expired'],
  ])('bad input: %j is refused, naming the endpoint', (body, what) => {
    const question = { audience: 'reports', requestedTokenType: 'urn:wanted' };
    expect(() => read(body, question)).toThrow(
      expect.objectContaining({
        code: 'unavailable',
        message: `https://login.example.org/token ${what}`,
        reason: 'relying-answer',
      }),
    );
  });
});

describe('private_key_jwt (RFC 7523 section 3)', () => {
  it.each([
    ['ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey],
    ['RS256', generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey],
  ])('is %s of the workload’s own key: issuer and subject are the client', async (alg, key) => {
    const assertion = await clientAssertion(
      { clientId: 'c', audience: 'https://as', key, certificates: [Buffer.of(1)] },
      now,
      'once',
    );
    const publicKey = createPublicKey(key);
    const { payload } = await jwtVerify(assertion, publicKey, {
      issuer: 'c',
      subject: 'c',
      audience: 'https://as',
      currentDate: new Date(now),
    });
    expect(payload).toMatchObject({ jti: 'once', exp: now / 1_000 + 60, iat: now / 1_000 - 10 });
    const kid = await calculateJwkThumbprint(await exportJWK(publicKey));
    expect(decodeProtectedHeader(assertion)).toEqual({ alg, typ: 'JWT', kid, x5c: ['AQ=='] });
  });
});
