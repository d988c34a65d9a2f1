import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingHttpHeaders, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRemoteJWKSet, customFetch, jwtVerify } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { entry, type Machine, machine, optionsOf } from '../../test/fakes/authority.ts';
import { webCertificate } from '../../test/fakes/bundle-endpoint.ts';
import { FakeCa, type Issued, pemOf } from '../../test/fakes/ca.ts';
import { FakeClock } from '../../test/fakes/clock.ts';
import { type Authority, openAuthority } from '../authority/authority.ts';
import { createLog } from '../runtime/log.ts';
import { createMetrics } from '../runtime/metrics.ts';
import { Issuer } from '../spiffe/issuer.ts';
import { encodePem } from '../x509/pem.ts';
import { type IssuerOut, type ListenPlace, startIssuer } from './issuer.ts';

const minute = 60_000;
const webCa = new FakeCa('web.example');
const roots = encodePem('CERTIFICATE', webCa.certificate);
const issuer = Issuer.parse('https://id.example.org/tenant/a');
const discoveryPath = '/tenant/a/.well-known/openid-configuration';

let directory: string;
let clock: FakeClock;
let on: Machine;
let authority: Authority;
let out: IssuerOut;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'issuer-'));
  clock = new FakeClock(Date.now());
  on = machine(clock);
  authority = await openAuthority(optionsOf(on, { issuer, jwtCaTtlSeconds: 3600, certifyTokenKeys: true }));
});
afterEach(async () => {
  await out.close();
  await authority.close();
  rmSync(directory, { recursive: true });
});

/** The authorities that will follow are made; a signature by an RSA key takes some time of the real clock as well. */
async function heirs(): Promise<void> {
  await clock.advance(31 * minute);
  await expect.poll(() => authority.tokenKeys.value.length, { timeout: 30_000 }).toBe(4);
}

const plain: ListenPlace = { host: '127.0.0.1', port: 0, tls: undefined };

async function serve(listen: ListenPlace | undefined = plain, certificates = false): Promise<void> {
  const log = createLog('silent');
  out = await startIssuer({ issuer, listen, certificates, authority, clock, log, metrics: createMetrics() });
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

async function ask(path: string, method = 'GET', headers: Record<string, string> = {}): Promise<Answer> {
  const options = { method, headers, agent: false, ca: roots };
  const request = out.address?.startsWith('https') ? tlsRequest : plainRequest;
  const [response] = await once(request(`${out.address}${path}`, options).end(), 'response');
  let body = '';
  for await (const chunk of response) body += chunk;
  return { status: response.statusCode, headers: response.headers, body };
}

const keysIn = ({ body }: Answer): Record<string, unknown>[] => JSON.parse(body).keys;

describe('the issuer', () => {
  it('OA-01 OA-05 R-NET-4 says in discovery what its tokens say, whatever host it is asked as', async () => {
    await serve();
    const { status, headers, body } = await ask(discoveryPath, 'GET', { host: 'evil.example' });
    expect([status, headers['content-type'], headers['access-control-allow-origin']]).toEqual([
      200,
      'application/json',
      '*',
    ]);
    expect(JSON.parse(body)).toEqual({
      issuer,
      jwks_uri: `${issuer}/keys`,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256', 'RS256'],
      scopes_supported: ['openid'],
      claims_supported: ['aud', 'exp', 'iat', 'iss', 'jti', 'nbf', 'sub'],
    });
    const { token } = await authority.issueJwtSvid(entry, ['aws']);
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    expect(claims.iss).toBe(JSON.parse(body).issuer);
  });

  it('OA-02 OA-03 OA-07 gives keys that verify its tokens: for `sig`, with kid and alg, the one that signs first', async () => {
    await serve();
    await heirs();
    const keys = keysIn(await ask('/tenant/a/keys'));
    expect(keys.map(({ use, alg }) => `${use} ${alg}`)).toEqual(['sig ES256', 'sig RS256', 'sig ES256', 'sig RS256']);
    const { token, authorityId } = await authority.issueJwtSvid(entry, ['aws']);
    expect(keys[0]?.['kid']).toBe(authorityId);
    const set = createRemoteJWKSet(new URL(`${out.address}/tenant/a/keys`), { [customFetch]: fetch });
    const options = { issuer, audience: 'aws', typ: 'JWT', currentDate: new Date(clock.now()) };
    expect((await jwtVerify(token, set, options)).payload.sub).toBe(entry.spiffeId);
  });

  it('serves the path of its URL, in the form of OpenID and in that of RFC 8414, and nothing else', async () => {
    await serve();
    const { body } = await ask(discoveryPath);
    for (const path of ['openid-configuration', 'oauth-authorization-server']) {
      expect((await ask(`/.well-known/${path}/tenant/a`)).body).toBe(body);
    }
    for (const path of ['/', '/.well-known/openid-configuration', '/keys', '/tenant/a/keys/', '/tenant/a/KEYS', '//']) {
      expect(await ask(path)).toMatchObject({ status: 404, body: 'nothing here\n' });
    }
    expect((await ask('/tenant/a/keys?for=nobody')).status).toBe(404);
    expect((await ask('/tenant/a/keys?for=gcp&for=rgw')).status).toBe(404);
    expect((await ask('/tenant/a/keys?v=1')).status).toBe(200);
  });

  it('answers GET and HEAD alike, and refuses every other method', async () => {
    await serve();
    const [get, head] = [await ask(discoveryPath), await ask(discoveryPath, 'HEAD')];
    expect([head.status, head.body]).toEqual([200, '']);
    const { date: _, ...said } = get.headers;
    expect(head.headers).toMatchObject(said);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const { status, headers } = await ask('/tenant/a/keys', method);
      expect([status, headers.allow]).toEqual([405, 'GET, HEAD']);
    }
    // One relying party sends this with every GET.
    const odd = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await ask('/tenant/a/keys', 'GET', odd)).status).toBe(200);
  });

  it('lets caches keep it for a quarter of the time that a key is published before it signs, and no more', async () => {
    await serve();
    const { headers } = await ask('/tenant/a/keys');
    expect(headers['cache-control']).toBe('public, max-age=150');
    const { etag = '' } = headers;
    for (const tag of [etag, `"x", W/${etag}`, '*']) {
      const { status, body } = await ask('/tenant/a/keys', 'GET', { 'if-none-match': tag });
      expect([status, body]).toEqual([304, '']);
    }
    await heirs();
    expect((await ask('/tenant/a/keys', 'GET', { 'if-none-match': etag })).status).toBe(200);
  });

  it('gives some relying parties what they take: certificates beside the keys, or one algorithm', async () => {
    await serve();
    for (const key of keysIn(await ask('/tenant/a/keys'))) expect(Object.keys(key)).not.toContain('x5c');
    const [key] = keysIn(await ask('/tenant/a/keys?for=rgw'));
    const [x5c = ''] = (key?.['x5c'] ?? []) as string[];
    const certificate = new X509Certificate(Buffer.from(x5c, 'base64'));
    const { crv, kty, x, y } = key ?? {};
    expect(certificate.publicKey.export({ format: 'jwk' })).toEqual({ crv, kty, x, y });
    expect([certificate.verify(certificate.publicKey), certificate.ca]).toEqual([true, false]);
    const members = ['kty', 'alg', 'use', 'kid', 'n', 'e', 'x', 'y', 'crv'];
    for (const one of keysIn(await ask('/tenant/a/keys?for=gcp'))) {
      expect(Object.keys(one).filter((name) => !members.includes(name))).toEqual([]);
    }
    expect(keysIn(await ask('/tenant/a/keys?for=rs256')).map(({ alg }) => alg)).toEqual(['RS256']);
  });

  it('is not held up by those who say nothing, half of something, or read nothing', { timeout: 30_000 }, async () => {
    await serve();
    const port = Number(new URL(out.address ?? '').port);
    const slow = await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const socket = connect(port, '127.0.0.1');
        socket.on('error', () => undefined);
        await once(socket, 'connect');
        if (index % 3 === 1) socket.write('GET /tenant/a/keys HTTP/1.1\r\nHost: ');
        if (index % 3 === 2) socket.pause().write('GET /tenant/a/keys HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(50));
        return socket;
      }),
    );
    expect((await ask('/tenant/a/keys')).status).toBe(200);
    const half = slow.filter((_, index) => index % 3 === 1);
    await Promise.all(half.map((socket) => (socket.closed ? undefined : once(socket.resume(), 'close'))));
    for (const socket of slow) socket.destroy();
    expect((await ask('/tenant/a/keys')).status).toBe(200);
  });
});

describe('its certificate', () => {
  const tls = { certificate: '', key: '' };
  beforeEach(() => {
    tls.certificate = join(directory, 'tls.crt');
    tls.key = join(directory, 'tls.key');
  });

  function place(certificate: Issued): void {
    const { cert, key } = pemOf(certificate);
    writeFileSync(`${tls.key}.new`, key);
    writeFileSync(`${tls.certificate}.new`, cert);
    renameSync(`${tls.key}.new`, tls.key);
    renameSync(`${tls.certificate}.new`, tls.certificate);
  }

  async function shown(): Promise<string> {
    const request = tlsRequest(`${out.address}${discoveryPath}`, { agent: false, ca: roots }).end();
    const [response] = await once(request, 'response');
    const { serialNumber } = response.socket.getPeerCertificate();
    response.resume();
    return serialNumber;
  }

  it('is read again when the file changes, and half a pair is not taken', async () => {
    place(webCertificate(webCa));
    await serve({ ...plain, tls });
    const first = await shown();
    place(webCertificate(webCa));
    await clock.advance(5_000);
    const second = await shown();
    expect(second).not.toBe(first);
    writeFileSync(tls.key, pemOf(webCertificate(webCa)).key);
    await clock.advance(5_000);
    expect(await shown()).toBe(second);
    expect(out.problem()).toMatch(/^the issuer keeps its certificate: .*not that of its certificate/);
  });

  it('is needed from the beginning', async () => {
    await serve(undefined);
    await expect(serve({ ...plain, tls })).rejects.toMatchObject({ code: 'not-found' });
  });
});
