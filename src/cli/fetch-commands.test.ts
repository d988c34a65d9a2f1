import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeCa, svidMessage, x509Answer } from '../../test/fakes/ca.ts';
import { launcher, mayfly } from '../../test/fakes/command-line.ts';
import { faults } from '../../test/fakes/conforms.ts';
import { FakeJwtAuthority } from '../../test/fakes/jwt-authority.ts';
import { FakeWorkloadApi, Status } from '../../test/fakes/workload-api.ts';
import * as shapes from './shapes.ts';

const directory = mkdtempSync(join(tmpdir(), 'fetch-'));
const [ca, foreign] = [new FakeCa('example.org'), new FakeCa('other.org')];
const authority = new FakeJwtAuthority();
const web = 'spiffe://example.org/web';
const answer = (path: string) =>
  x509Answer([svidMessage(ca.issue(path), [ca.certificate])], { 'other.org': [foreign.certificate] });
let api: FakeWorkloadApi;

beforeAll(async () => {
  api = await FakeWorkloadApi.start();
  api.x509Svids.send(answer('/web'));
  api.jwtSvids = ({ audience }) => ({ svids: [authority.svid(web, audience, Date.now())] });
  const own = 'spiffe://example.org';
  api.x509Bundles.send({ crl: [], bundles: new Map([[own, ca.certificate]]) });
  api.jwtBundles.send({ bundles: new Map([[own, FakeJwtAuthority.jwks(authority)]]) });
  api.validation = ({ svid }) =>
    svid === 'good' ? { spiffeId: web, claims: { sub: web } } : new Status(3, 'the token is not valid');
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

const say = (...words: string[]) => mayfly(['fetch', ...words], { env: { SPIFFE_ENDPOINT_SOCKET: api.address } });
async function ask(shape: shapes.Shape, ...words: string[]) {
  const { out, err, code } = await say(...words, '--json');
  expect({ err, code }).toEqual({ err: '', code: 0 });
  const document = JSON.parse(out);
  expect(faults(document, shape)).toEqual([]);
  return document;
}

describe('fetch x509', () => {
  it('prints who we are, and never the key', async () => {
    expect((await say('x509')).out).toMatch(
      /^SPIFFE ID {2}spiffe:\/\/example.org\/web\nserial {5}01[0-9a-f]{30}\nexpires {4}20/,
    );
    const document = await ask(shapes.x509Context, 'x509');
    expect(document.federatedBundles).toMatchObject([{ trustDomain: 'other.org' }]);
    expect(JSON.stringify(document)).not.toContain('PRIVATE');
  });

  it('writes what openssl accepts, the key readable by its owner alone', async () => {
    const into = join(directory, 'tls');
    const { out } = await say('x509', '--write', into);
    expect(out).toContain(`The first is in ${into}: svid.pem, key.pem, bundle.pem\n`);
    expect(statSync(join(into, 'key.pem')).mode & 0o777).toBe(0o600);
    expect(statSync(join(into, 'svid.pem')).mode & 0o777).toBe(0o644);
    const openssl = (...words: string[]) => spawnSync('openssl', words, { cwd: into, encoding: 'utf8' });
    expect(openssl('verify', '-CAfile', 'bundle.pem', 'svid.pem').stdout).toBe('svid.pem: OK\n');
    const ofKey = openssl('pkey', '-in', 'key.pem', '-pubout').stdout;
    expect(openssl('x509', '-in', 'svid.pem', '-noout', '-pubkey').stdout).toBe(ofKey);
  });

  it('says where it cannot write', async () => {
    const { err, code } = await say('x509', '--write', '/dev/null/x');
    expect({ err, code }).toMatchObject({
      code: 6,
      err: expect.stringContaining('cannot create the directory /dev/null/x'),
    });
  });

  it('watches: waits for an identity, and writes and tells every new one', async () => {
    api.x509Svids.fail(7, 'no identity issued');
    const into = join(directory, 'watched');
    const child = spawn(launcher, ['fetch', 'x509', '--watch', '--json', '--write', into], {
      env: { PATH: '/usr/bin:/bin', SPIFFE_ENDPOINT_SOCKET: api.path },
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    setTimeout(() => api.x509Svids.send(answer('/first')), 300);
    const first = JSON.parse((await lines.next()).value ?? '');
    expect(faults(first, shapes.x509Context)).toEqual([]);
    api.x509Svids.send(answer('/second'));
    const second = JSON.parse((await lines.next()).value ?? '');
    child.kill('SIGINT');
    expect([first, second].map((d) => d.svids[0].spiffeId)).toEqual([
      'spiffe://example.org/first',
      'spiffe://example.org/second',
    ]);
    expect(readFileSync(join(into, 'svid.pem'), 'utf8')).toBe(second.svids[0].certificates.join(''));
  });
});

describe('fetch jwt, bundles and validate', () => {
  it('prints the bare token, and whole answers for programs', async () => {
    const { out } = await say('jwt', '--audience', 'a', '--audience', 'b');
    expect(out).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const document = await ask(shapes.jwtSvids, 'jwt', '--audience', 'a');
    expect(document.svids[0]).toMatchObject({ spiffeId: web, audience: ['a'] });
  });

  it('shows bundles by trust domain', async () => {
    expect((await say('bundles')).out).toBe(
      'TRUST DOMAIN  X.509 AUTHORITIES  JWT KEYS\nexample.org   1                  1\n',
    );
    const document = await ask(shapes.bundles, 'bundles');
    expect(document.bundles[0].jwks.keys).toMatchObject([{ kid: 'k1' }]);
  });

  it('validates a token from the command line and from standard input', async () => {
    expect((await say('validate', '--audience', 'a', 'good')).out).toMatch(
      /^Valid, for spiffe:\/\/example.org\/web\.\n/,
    );
    await ask(shapes.validatedJwt, 'validate', '--audience', 'a', 'good');
    const words = ['fetch', 'validate', '--audience', 'a', '-', '--socket', api.path];
    expect(await mayfly(words, { input: 'good\n' })).toMatchObject({ code: 0 });
    expect(await mayfly(words, { input: 'bad\n' })).toMatchObject({
      code: 2,
      err: expect.stringContaining('not valid'),
    });
  });
});

describe('a refusal', () => {
  it('of who is owed nothing says how to get an entry', async () => {
    api.x509Svids.fail(7, 'no identity issued');
    const { err, code } = await say('x509');
    expect(code).toBe(3);
    expect(err).toContain(`mayfly entry list --selector unix:uid:${process.getuid?.()}`);
  });

  it('of who waits too long says so', async () => {
    api.jwtSvids = () => new Promise(() => {});
    const { err, code } = await say('jwt', '--audience', 'a', '--timeout', '1s');
    expect({ code, err }).toMatchObject({ code: 8, err: expect.stringContaining('did not answer in time') });
  });

  it('of an address that is none', async () => {
    const ended = await mayfly(['fetch', 'x509', '--socket', 'http://localhost']);
    expect(ended).toMatchObject({ code: 2, err: expect.stringContaining('Not a Workload API address') });
  });
});
