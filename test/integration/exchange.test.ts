/** `mayfly exchange` against a token endpoint that verifies with jose what it is shown, as the standards say; on record. */
import { X509Certificate } from 'node:crypto';
import { readFileSync, rmSync, statSync } from 'node:fs';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type LocalTls, localTls } from '../fakes/local-tls.ts';
import { type Mayfly, startMayfly } from './fixture.ts';

const id = 'spiffe://example.org/web';
const issuer = 'https://login.example.org';
const urn = 'urn:ietf:params:oauth:';

let mayfly: Mayfly;
let tls: LocalTls & Disposable;
let server: https.Server;
let endpoint: string;
/** What the endpoint was sent last, and who showed a certificate. */
let seen: { form: URLSearchParams; certificate: X509Certificate | undefined };
let answer: { status: number; body: object };

beforeAll(async () => {
  mayfly = await startMayfly();
  const entry = { spiffeId: id, selectors: [`unix:uid:${process.getuid?.()}`], audiences: [issuer] };
  await mayfly.operator.create(entry);
  tls = localTls();
  server = https.createServer(
    { key: tls.key, cert: tls.cert, requestCert: true, rejectUnauthorized: false },
    async (request, response) => {
      const { raw } = (request.socket as TLSSocket).getPeerCertificate();
      seen = {
        form: new URLSearchParams(await text(request)),
        certificate: raw === undefined ? undefined : new X509Certificate(raw),
      };
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body));
    },
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endpoint = `https://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
}, 60_000);
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  tls[Symbol.dispose]();
  await mayfly[Symbol.asyncDispose]();
});
beforeEach(() => {
  answer = {
    status: 200,
    body: {
      access_token: 'obtained',
      token_type: 'Bearer',
      expires_in: 60,
      issued_token_type: `${urn}token-type:access_token`,
    },
  };
});

const exchange = (...words: string[]) =>
  mayfly.command('exchange', '--token-endpoint', endpoint, '--ca-bundle', tls.caFile, '--audience', issuer, ...words);

/** As a relying party does: by the keys of the trust domain. */
async function verified(token: string | null, audience = issuer) {
  const keys = createLocalJWKSet(JSON.parse((await mayfly.command('bundle', 'show', '--format', 'jwks')).stdout));
  return (await jwtVerify(token ?? '', keys, { audience, typ: 'JWT' })).payload;
}

const records = async () =>
  JSON.parse((await mayfly.command('ledger', 'list', '--since', '1h', '--json')).stdout).records.filter(
    ({ kind }: { kind: string }) => kind.startsWith('exchange.'),
  );

describe('mayfly exchange', () => {
  it('RFC 8693: our token for theirs, on record before it is printed', async () => {
    const { stdout, stderr, status } = await exchange('--for-audience', 'reports', '--scope', 'read');
    expect({ stdout, stderr, status }).toEqual({ stdout: 'obtained\n', stderr: '', status: 0 });
    const { subject_token = '', ...form } = Object.fromEntries(seen.form);
    expect(form).toEqual({
      grant_type: `${urn}grant-type:token-exchange`,
      subject_token_type: `${urn}token-type:jwt`,
      audience: 'reports',
      scope: 'read',
    });
    const { sub, jti } = await verified(subject_token);
    expect(sub).toBe(id);
    const [begun, obtained] = (await records()).slice(-2);
    expect(begun).toMatchObject({ kind: 'exchange.begun', record: { jti, spiffeId: id } });
    expect(obtained).toMatchObject({
      kind: 'exchange.obtained',
      record: { stated: { endpoint, role: 'reports', target: 'oauth-token-exchange' } },
    });
    expect(JSON.stringify(await records())).not.toContain(subject_token);
  });

  it('a client assertion: jwt-spiffe, whose client is the SPIFFE ID', async () => {
    await exchange('--grant', 'client-credentials', '--client-auth', 'jwt-spiffe', '--scope', 'read');
    const { client_assertion = '', ...form } = Object.fromEntries(seen.form);
    expect(form).toEqual({
      grant_type: 'client_credentials',
      scope: 'read',
      client_id: id,
      client_assertion_type: `${urn}client-assertion-type:jwt-spiffe`,
    });
    expect(await verified(client_assertion)).toMatchObject({ sub: id });
  });

  it('a client assertion: private_key_jwt, by the key of the X.509-SVID', async () => {
    await exchange('--grant', 'client-credentials', '--client-auth', 'private-key-jwt', '--client-id', 'web');
    const { client_assertion = '' } = Object.fromEntries(seen.form);
    const { x5c: [leaf = ''] = [] } = decodeProtectedHeader(client_assertion);
    const certificate = new X509Certificate(Buffer.from(leaf, 'base64'));
    const root = new X509Certificate((await mayfly.command('bundle', 'show')).stdout);
    expect(certificate.verify(root.publicKey)).toBe(true);
    expect(certificate.subjectAltName).toBe(`URI:${id}`);
    const claims = { issuer: 'web', subject: 'web', audience: issuer };
    await jwtVerify(client_assertion, certificate.publicKey, claims);
    const [begun] = (await records()).slice(-2);
    expect(begun.record).toMatchObject({
      serial: expect.stringMatching(/^[0-9a-f]+$/),
      stated: { target: 'oauth-client-credentials' },
    });
  });

  it('mutual TLS (RFC 8705): the certificate names the SPIFFE ID', async () => {
    await exchange('--grant', 'client-credentials', '--client-auth', 'tls');
    expect(Object.fromEntries(seen.form)).toEqual({ grant_type: 'client_credentials', client_id: id });
    expect(seen.certificate?.subjectAltName).toBe(`URI:${id}`);
  });

  it('writes what it obtained, for its user alone, and says that it outlives the SVID', async () => {
    answer.body = { access_token: 'obtained', token_type: 'Bearer', expires_in: 86_400 };
    const out = join(mayfly.directory, 'access.token');
    const { stdout, stderr } = await exchange('--out', out);
    expect(stdout).toMatch(new RegExp(`^Wrote ${out}, until 20.*Z\\.\n$`));
    expect(stderr).toMatch(/^warning: this token ends 23h\d+m\d*s? after the SVID it was obtained with/);
    expect(readFileSync(out, 'utf8')).toBe('obtained');
    expect(statSync(out).mode & 0o777).toBe(0o600);
    rmSync(out);
  });

  it('a refusal names the endpoint, has no secret in it, and is on record as one', async () => {
    answer = { status: 400, body: { error: 'invalid_grant', error_description: 'no' } };
    const { stdout, stderr, status } = await exchange();
    expect({ stdout, status }).toEqual({ stdout: '', status: 3 });
    expect(stderr).toContain(`${endpoint} refuses with status 400: invalid_grant: no`);
    expect(stderr).not.toContain(seen.form.get('subject_token') ?? 'none');
    expect((await records()).at(-1)).toMatchObject({ kind: 'exchange.failed' });
  });

  it.each([
    [['--grant', 'client-credentials'], 'say how it proves itself with --client-auth'],
    [['--client-auth', 'private-key-jwt'], 'name it with --client-id'],
    [['--token-endpoint', 'http://login.example.org/token'], 'is not https'],
  ])('%j is refused before anybody is asked', async (words, message) => {
    const { stderr, status } = await exchange(...words);
    expect({ stderr, status }).toEqual({ stderr: expect.stringContaining(message), status: 2 });
  });
});
