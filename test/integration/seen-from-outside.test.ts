/**
 * What others were seen to do on the Workload API, and what is due instead: one title for each, so that nobody has to
 * take it on trust (test/vectors/seen-from-outside.json says which observation belongs to which).
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseCertificate } from '../../src/x509/certificate.ts';
import { jwks, leafOf, publicKeyOf } from './documents.ts';
import { first, type Mayfly, pause, startMayfly, until } from './fixture.ts';
import { frame, rawCall, security } from './raw-http2.ts';
import { encodeJwtSvidRequest } from './wire.ts';
import { grpc, type Workload } from './workload.ts';

let mayfly: Mayfly;
let web: Workload;
let kid: string;
let key: KeyObject;

beforeAll(async () => {
  mayfly = await startMayfly();
  const spiffeId = 'spiffe://example.org/web';
  await mayfly.operator.create({ spiffeId, selectors: ['unix:uid:10001'], audiences: ['reports'] });
  await mayfly.operator.create({ spiffeId, selectors: ['unix:uid:0'], audiences: ['reports'] });
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
  const pem = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----/g;
  return texts.flatMap((text) => text.match(pem) ?? []).map((block) => createPrivateKey(block));
}

const now = Math.floor(Date.now() / 1_000);
const claims = { sub: 'spiffe://example.org/web', aud: ['reports'], exp: now + 600, iat: now };
const encode = (value: object | Buffer): string =>
  (Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value))).toString('base64url');

/** By the real key of the trust domain, whatever it says. */
function signed(header: object, payload: object | Buffer = claims): string {
  const input = `${encode({ alg: 'ES256', kid, typ: 'JWT', ...header })}.${encode(payload)}`;
  return `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

describe('ValidateJWTSVID, with tokens that the real key has signed', () => {
  const refuses = async (...tokens: readonly string[]): Promise<void> => {
    for (const token of tokens) {
      const label = JSON.stringify(token.slice(0, 120));
      expect(await web.validate('reports', token), label).toMatchObject({ code: grpc.invalidArgument, messages: [] });
    }
  };

  it('accepts the plain token, so that what follows is refused for the one thing that is wrong with it', async () => {
    expect((await web.validate('reports', signed({}))).code).toBe(grpc.ok);
  });

  it('refuses a newline inside or after a token', async () => {
    const token = signed({});
    const [header = '', payload = '', signature = ''] = token.split('.');
    await refuses(`${token}\n`, `${token}\r\n`, `\n${token}`, `${header}\n.${payload}.${signature}`);
    await refuses(`${header}.${payload.slice(0, 8)}\n${payload.slice(8)}.${signature}`);
    await refuses(`${header}.${payload}.${signature.slice(0, 8)}\n${signature.slice(8)}`);
  });

  it('refuses a typ other than JWT and JOSE', () =>
    refuses(
      ...['jwt', 'jose', 'at+jwt', 'application/jwt', 'JWT ', '', 1, null, ['JWT']].map((typ) => signed({ typ })),
    ));

  it('refuses the headers jku, x5u, zip and cty', () =>
    refuses(
      signed({ jku: 'http://127.0.0.1:1/' }),
      signed({ x5u: 'http://127.0.0.1:1/' }),
      signed({ zip: 'DEF' }),
      signed({ cty: 'JWT' }),
    ));

  it('refuses crit, also when it is empty', () => refuses(signed({ crit: [] }), signed({ crit: ['exp'] })));

  it('refuses base64 whose last character has bits left over', async () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const token = signed({});
    for (const bit of [1, 2, 4, 8]) {
      const last = alphabet[alphabet.indexOf(token.at(-1) ?? '') ^ bit] ?? '';
      const other = token.slice(0, -1) + last;
      const same = Buffer.from(other.split('.')[2] ?? '', 'base64url').equals(
        Buffer.from(token.split('.')[2] ?? '', 'base64url'),
      );
      if (same) await refuses(other);
    }
  });

  it('refuses claims that are not UTF-8', async () => {
    const text = JSON.stringify({ ...claims, note: 'X' });
    const bytes = Buffer.from(text);
    bytes[text.indexOf('X')] = 0xff;
    await refuses(signed({}, bytes));
  });

  it('refuses claims that are nested 5,000 deep, and goes on', async () => {
    const deep = JSON.stringify(claims).replace('{', `{"deep":${'['.repeat(5_000)}${']'.repeat(5_000)},`);
    await refuses(signed({}, Buffer.from(deep)));
    expect((await web.validate('reports', signed({}))).code).toBe(grpc.ok);
  });
});

describe('calls that are not what they should be', () => {
  const path = '/SpiffeWorkloadAPI/FetchJWTSVID';

  it('answers FetchJWTSVID for the audience [""] with InvalidArgument, at once', async () => {
    const begun = performance.now();
    const answer = await web.call('FetchJWTSVID', { request: encodeJwtSvidRequest(['']) });
    expect(answer).toMatchObject({ code: grpc.invalidArgument, messages: [] });
    expect(performance.now() - begun).toBeLessThan(5_000);
  });

  it('looks at the security header before it decodes the request', async () => {
    const garbage = frame(Buffer.from('ffffffff', 'hex'));
    const without = await rawCall(mayfly.socket, { path, body: garbage, headers: {} });
    expect(without.grpcMessage).toContain('security header');
    const withHeader = await rawCall(mayfly.socket, { path, body: garbage });
    expect(withHeader.grpcMessage).toContain('protobuf');
    const unfinished = frame(encodeJwtSvidRequest(['reports'])).subarray(0, 3);
    const early = await rawCall(mayfly.socket, { path, body: unfinished, headers: {} });
    expect(early.grpcMessage).toContain('security header');
  });

  it('ends a stream past its deadline with DeadlineExceeded, not with OK', async () => {
    const trailers = await streamUntilItEnds({ 'grpc-timeout': '300m' });
    expect(trailers['grpc-status']).toBe('4');
  });

  it('refuses two messages to a method that takes one', async () => {
    const one = frame(encodeJwtSvidRequest(['reports']));
    const twice = await rawCall(mayfly.socket, { path, body: Buffer.concat([one, one]) });
    expect(twice).toMatchObject({ messages: [], grpcStatus: grpc.unimplemented });
    expect((await rawCall(mayfly.socket, { path, body: one })).messages).toHaveLength(1);
  });

  it('refuses application/grpc+json and other encodings than protobuf', async () => {
    const body = frame(encodeJwtSvidRequest(['reports']));
    for (const type of ['application/grpc+json', 'application/grpc+foo', 'application/grpcx', 'application/json']) {
      const answer = await rawCall(mayfly.socket, { path, body, headers: { ...security, 'content-type': type } });
      expect(answer, type).toMatchObject({ messages: [], httpStatus: 415 });
    }
    const headers = { ...security, 'content-type': 'application/grpc+proto' };
    expect((await rawCall(mayfly.socket, { path, body, headers })).messages).toHaveLength(1);
  });

  it('answers a client that keeps its connection alive with pings, the sixth and the twentieth too', async () => {
    const session = http2.connect('http://localhost', { createConnection: () => net.connect(mayfly.socket) });
    try {
      await new Promise((resolve) => session.once('connect', resolve));
      let goneAway = false;
      session.on('goaway', () => {
        goneAway = true;
      });
      for (let sent = 0; sent < 20; sent++) {
        await new Promise<void>((resolve, reject) => session.ping((error) => (error ? reject(error) : resolve())));
        await pause(10);
      }
      expect([goneAway, session.closed, session.destroyed]).toEqual([false, false, false]);
    } finally {
      session.destroy();
    }
  });

  it('serves a hundred calls at a time on one connection, says so, and serves the next when one has ended', async () => {
    const session = http2.connect('http://localhost', { createConnection: () => net.connect(mayfly.socket) });
    try {
      await new Promise((resolve) => session.once('remoteSettings', resolve));
      const limit = session.remoteSettings.maxConcurrentStreams ?? Infinity;
      expect(limit).toBeLessThanOrEqual(100);
      const answered: number[] = [];
      const open = (n: number): http2.ClientHttp2Stream => {
        const headers = { ':method': 'POST', ':path': '/SpiffeWorkloadAPI/FetchX509SVID', ...security };
        const stream = session.request({ ...headers, 'content-type': 'application/grpc', te: 'trailers' });
        stream.on('response', () => answered.push(n));
        stream.on('error', () => undefined);
        stream.resume().end(frame(Buffer.alloc(0)));
        return stream;
      };
      const streams = Array.from({ length: limit + 1 }, (_, n) => open(n));
      await until('as many as may be are answered', () => answered.length === limit);
      expect((await mayfly.operator.status()).openStreams).toBeLessThanOrEqual(limit + 1);
      expect(answered).not.toContain(limit);
      // Node's own client sends what it held back only when something else is sent.
      streams[0]?.close(http2.constants.NGHTTP2_CANCEL);
      open(limit + 1);
      await until('the next is', () => answered.length > limit);
    } finally {
      session.destroy();
    }
  });

  it('refuses a mebibyte of metadata', async () => {
    const headers = { ...security, 'x-padding': 'x'.repeat(1 << 20) };
    const answer = await rawCall(mayfly.socket, { path, headers, body: frame(encodeJwtSvidRequest(['reports'])) });
    expect(answer.messages).toEqual([]);
    expect(answer.grpcStatus ?? answer.failure).not.toBe(grpc.ok);
    expect((await web.validate('reports', signed({}))).code).toBe(grpc.ok);
  });
});

describe('what is handed out', () => {
  it('gives EC leaves digitalSignature alone, never keyEncipherment (RFC 8813)', async () => {
    const { x509Svid } = first((await web.x509()).svids);
    expect([...(parseCertificate(leafOf(x509Svid).raw).keyUsage ?? [])]).toEqual(['digitalSignature']);
  });

  it('gives each process a key of its own under one identity', async () => {
    const other = await mayfly.workload(10001);
    const key = async (workload: Workload): Promise<string> =>
      first((await workload.x509()).svids).x509SvidKey.toString('hex');
    expect(await key(other)).not.toBe(await key(web));
  });

  it('names the use of each JWK in FetchJWTBundles', async () => {
    const keys = jwks((await web.jwtBundles()).bundles.get('spiffe://example.org'));
    expect(keys.length).toBeGreaterThan(0);
    for (const jwk of keys) expect(jwk['use']).toBe('jwt-svid');
  });

  it('says in the bundle how often to refresh it', async () => {
    const { stdout } = await mayfly.command('bundle', 'show', '--format', 'spiffe');
    const bundle = JSON.parse(stdout) as Record<string, unknown>;
    expect(bundle['spiffe_refresh_hint']).toBeGreaterThan(0);
    expect(bundle['spiffe_sequence']).toBeGreaterThan(0);
  });
});

/** Opens FetchX509SVID, reads what comes, and hands back the trailers. */
function streamUntilItEnds(headers: http2.OutgoingHttpHeaders): Promise<http2.IncomingHttpHeaders> {
  const session = http2.connect('http://localhost', { createConnection: () => net.connect(mayfly.socket) });
  const fields = {
    ':method': 'POST',
    ':path': '/SpiffeWorkloadAPI/FetchX509SVID',
    te: 'trailers',
    ...security,
    ...headers,
  };
  const stream = session.request({ ...fields, 'content-type': 'application/grpc' });
  stream.end(frame(Buffer.alloc(0)));
  stream.resume();
  return new Promise<http2.IncomingHttpHeaders>((resolve, reject) => {
    stream.on('trailers', resolve);
    stream.on('error', reject);
  }).finally(() => session.destroy());
}
