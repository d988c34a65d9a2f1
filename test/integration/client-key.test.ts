/** A client whose key the server has in a list: the same in every process, made once, shown as its public half. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createLocalJWKSet,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  type JSONWebKeySet,
  jwtVerify,
} from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { mayfly as say } from '../fakes/command-line.ts';
import { JsonServer } from '../fakes/json-server.ts';
import { type Mayfly, startMayfly } from './fixture.ts';

const issuer = 'https://login.example.org';
const directory = mkdtempSync(join(tmpdir(), 'client-key-'));
const path = (name: string): string => join(directory, name);
let mayfly: Mayfly;
let server: JsonServer;

beforeAll(async () => {
  mayfly = await startMayfly();
  await mayfly.operator.create({
    spiffeId: 'spiffe://example.org/web',
    selectors: ['unix:uid:0'],
    audiences: [issuer],
  });
  server = await JsonServer.start(() => ({
    ...{ status: 200, body: { access_token: 'x', token_type: 'Bearer', expires_in: 60 } },
  }));
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await mayfly[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

const publicHalf = async (...words: string[]): Promise<JSONWebKeySet> => {
  const { out, err, code } = await say(['config', 'client-key', ...words], { env: { PATH: '/usr/bin:/bin' } });
  expect({ err, code }).toEqual({ err: '', code: 0 });
  return JSON.parse(out) as JSONWebKeySet;
};
const exchange = (...words: string[]) => {
  const asClient = ['--grant', 'client-credentials', '--client-id', 'web', '--audience', issuer];
  return mayfly.command('exchange', '--token-endpoint', `${server.address}/token`, ...asClient, ...words);
};
/** Signed by one of those keys, and by nobody's certificate. */
async function shownTo(keys: JSONWebKeySet): Promise<unknown> {
  const assertion = new URLSearchParams(server.asked.at(-1)?.text).get('client_assertion') ?? '';
  expect(decodeProtectedHeader(assertion).x5c).toBeUndefined();
  const rules = { issuer: 'web', subject: 'web', audience: issuer };
  return (await jwtVerify(assertion, createLocalJWKSet(keys), rules)).protectedHeader.alg;
}
const signed = ['--client-auth', 'private-key-jwt', '--client-key'];

it('is made for its user alone, is known by its public half, and signs in every process', async () => {
  const keys = await publicHalf(path('new.key'), '--create');
  expect(statSync(path('new.key')).mode & 0o777).toBe(0o600);
  expect(keys.keys[0]).toEqual({
    ...{ kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig' },
    ...{ x: expect.any(String), y: expect.any(String), kid: expect.any(String) },
  });
  expect(await publicHalf(path('new.key'))).toEqual(keys);
  for (let process = 0; process < 2; process++) {
    expect((await exchange(...signed, path('new.key'))).status).toBe(0);
    expect(await shownTo(keys)).toBe('ES256');
  }
  const begun = (await mayfly.operator.records()).findLast(({ kind }) => kind === 'exchange.begun');
  expect(JSON.parse(begun?.json ?? '{}')).toMatchObject({ serial: expect.any(String), owner: 'ada' });
});

it('may come from elsewhere: openssl’s files of each kind, and a JWK with a name of its own', async () => {
  const make = (name: string, ...words: string[]) =>
    execFileSync('openssl', [...words, '-out', path(name)], { stdio: 'pipe' });
  make('rsa', 'genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048');
  make('sec1', 'ecparam', '-name', 'secp384r1', '-genkey', '-noout');
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  writeFileSync(path('jwk'), JSON.stringify({ ...(await exportJWK(privateKey)), kid: 'ours' }));
  for (const [name, algorithm] of [
    ['rsa', 'RS256'],
    ['sec1', 'ES384'],
    ['jwk', 'ES256'],
  ] as const) {
    chmodSync(path(name), 0o600);
    const keys = await publicHalf(path(name));
    for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi']) expect(keys.keys[0]).not.toHaveProperty(secret);
    expect((await exchange(...signed, path(name))).status).toBe(0);
    expect(await shownTo(keys)).toBe(algorithm);
  }
  expect((await publicHalf(path('jwk'))).keys[0]?.kid).toBe('ours');
});

it('is refused before anybody is asked, unrepeated, where it is none or not ours alone', async () => {
  const asked = server.asked.length;
  writeFileSync(path('open'), readFileSync(path('new.key')), { mode: 0o644 });
  writeFileSync(path('none'), 'perhaps-a-password', { mode: 0o600 });
  execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', path('ed')], { stdio: 'pipe' });
  for (const [words, code, message] of [
    [[...signed, path('open')], 6, 'looser than 0600'],
    [[...signed, path('none')], 2, `${path('none')} holds no private key`],
    [[...signed, path('ed')], 2, 'is of no kind that is taken'],
    [[...signed, path('away')], 4, 'does not exist'],
    [['--client-auth', 'tls', '--client-key', path('new.key')], 2, 'is for --client-auth private-key-jwt'],
  ] as const) {
    const { status, stderr } = await exchange(...words);
    expect({ status, stderr }).toEqual({ status: code, stderr: expect.stringContaining(message) });
    expect(stderr).not.toContain('perhaps');
  }
  const again = await say(['config', 'client-key', path('new.key'), '--create'], {
    env: { PATH: '/usr/bin:/bin' },
  });
  expect(again).toMatchObject({ out: '', err: expect.stringContaining('is there already') });
  expect(server.asked).toHaveLength(asked);
});
