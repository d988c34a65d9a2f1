/** The issuer as relying parties and operators meet it: the real program, real sockets, and other people's verifiers. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { decodeProtectedHeader, importJWK, type JWK, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Shape } from '../../src/cli/shapes.ts';
import * as shapes from '../../src/cli/shapes-oidc.ts';
import { encodePem } from '../../src/x509/pem.ts';
import { freePort } from '../bench/free-port.ts';
import { webCertificate } from '../fakes/bundle-endpoint.ts';
import { FakeCa, pemOf } from '../fakes/ca.ts';
import { faults } from '../fakes/conforms.ts';
import { first, launcher, type Mayfly, newDirectory, run, startMayfly } from './fixture.ts';
import { grpc } from './workload.ts';

const webCa = new FakeCa('web.example');
const roots = encodePem('CERTIFICATE', webCa.certificate);
let directory: string;
let issuer: string;
let flags: string[];
let mayfly: Mayfly;
let nextUid = 14_000;

beforeAll(async () => {
  directory = newDirectory();
  const port = await freePort();
  issuer = `https://localhost:${port}/tenant`;
  const { cert, key } = pemOf(webCertificate(webCa));
  const [certFile, keyFile] = [join(directory, 'tls.crt'), join(directory, 'tls.key')];
  writeFileSync(certFile, cert);
  writeFileSync(keyFile, key, { mode: 0o600 });
  const files = ['--issuer-cert', certFile, '--issuer-key', keyFile];
  flags = ['--issuer', issuer, '--issuer-listen', `127.0.0.1:${port}`, ...files];
  mayfly = await startMayfly({ directory, flags });
  await mayfly.operator.addPerson('ada');
});
afterAll(() => mayfly[Symbol.asyncDispose]());

async function ask(path: string): Promise<Record<string, unknown>> {
  const [response] = await once(request(`${issuer}${path}`, { ca: roots, agent: false }).end(), 'response');
  let body = '';
  for await (const chunk of response) body += chunk;
  return JSON.parse(body);
}

const keys = async (query = ''): Promise<JWK[]> => (await ask(`/keys${query}`))['keys'] as JWK[];

async function tokenFor(audience: string, uid = ++nextUid): Promise<string> {
  const entry = { spiffeId: 'spiffe://example.org/web', selectors: [`unix:uid:${uid}`], audiences: ['*'] };
  await mayfly.operator.create(entry);
  return first(await (await mayfly.workload(uid)).jwt([audience])).svid;
}

async function command(shape: Shape, ...words: string[]): Promise<Record<string, unknown>> {
  const { status, stdout, stderr } = await mayfly.command(...words, '--json');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(faults(JSON.parse(stdout), shape)).toEqual([]);
  return JSON.parse(stdout);
}

describe('the issuer', () => {
  it('OA-01 OA-02 OA-04 signs ES256 for most and RS256 for Entra, and jose verifies both with what it serves', async () => {
    expect(await ask('/.well-known/openid-configuration')).toMatchObject({ issuer, jwks_uri: `${issuer}/keys` });
    for (const [audience, alg, life] of [
      ['sts.amazonaws.com', 'ES256', 300],
      ['api://AzureADTokenExchange', 'RS256', 3600],
      ['reports', 'ES256', 300],
    ] as const) {
      const token = await tokenFor(audience);
      const header = decodeProtectedHeader(token);
      expect(header).toEqual({ alg, kid: expect.any(String), typ: 'JWT' });
      const jwk = (await keys()).find(({ kid }) => kid === header.kid) as JWK;
      expect(jwk).toMatchObject({ alg, use: 'sig' });
      const { payload } = await jwtVerify(token, await importJWK(jwk), { issuer, audience, typ: 'JWT' });
      expect(Object.keys(payload).sort()).toEqual(['aud', 'exp', 'iat', 'iss', 'jti', 'nbf', 'sub']);
      expect((payload.exp ?? 0) - (payload.iat ?? 0) - 10).toBe(life);
      expect(token.length).toBeLessThan(2_048);
    }
    expect((await keys()).map(({ alg }) => alg)).toEqual(['ES256', 'RS256']);
    expect((await keys('?for=rs256')).map(({ alg }) => alg)).toEqual(['RS256']);
  });

  it('keeps its keys over a restart', async () => {
    const before = await keys();
    await mayfly.stop();
    mayfly = await startMayfly({ directory, flags });
    expect(await keys()).toEqual(before);
  });

  it('is validated by a SPIFFE workload too, whatever it is signed with', async () => {
    const uid = ++nextUid;
    const token = await tokenFor('api://AzureADTokenExchange', uid);
    const workload = await mayfly.workload(uid);
    const { code } = await workload.validate('api://AzureADTokenExchange', token);
    expect(code).toBe(grpc.ok);
  });

  it('is exported as files for a bucket, each at the path that it has', async () => {
    const site = join(directory, 'site');
    mkdirSync(site);
    const { files } = await command(shapes.exported, 'oidc', 'export', site);
    const read = (path: string) => JSON.parse(readFileSync(join(site, path), 'utf8'));
    expect(read('tenant/.well-known/openid-configuration')).toEqual(await ask('/.well-known/openid-configuration'));
    expect(read('tenant/keys').keys).toEqual(await keys());
    expect(read('tenant/keys.gcp.json').keys).toEqual(await keys());
    expect(files).toContain(join(site, 'tenant/keys.rgw.json'));
    await command(shapes.issuer, 'oidc', 'show');
  });

  it.each([
    [['--issuer', 'https://id.example.org/'], 'https://id.example.org'],
    [['--issuer', 'http://id.example.org'], 'https://id.example.org'],
    [['--issuer', 'https://id.example.org', '--issuer-listen', '0.0.0.0:8443'], 'loopback'],
    [['--issuer-listen', '127.0.0.1:8443'], 'set issuer too'],
  ])('R-NET-4 is refused at the start with %j, and the right one is said', async (wrong, right) => {
    const { status, stderr } = await run(launcher, ['up', '--trust-domain', 'a.example', ...wrong], {});
    expect(status).not.toBe(0);
    expect(stderr).toContain(right);
  });
});

describe('an audience', () => {
  it('is what an operator says, at once, and each change is on record', async () => {
    const uid = ++nextUid;
    const before = await tokenFor('https://reports.example.org', uid);
    expect(decodeProtectedHeader(before).alg).toBe('ES256');
    const claims = join(directory, 'claims.json');
    writeFileSync(claims, '{"groups":["owner:{owner}","uid:{uid}"]}');
    const said = ['--audience', 'https://reports.example.org', '--algorithm', 'RS256', '--ttl', '2m', '--single-use'];
    await command(shapes.audience, 'audience', 'set', 'reports', ...said, '--claims', claims);
    const workload = await mayfly.workload(uid);
    const [one, other] = [
      first(await workload.jwt(['https://reports.example.org'])).svid,
      first(await workload.jwt(['https://reports.example.org'])).svid,
    ];
    expect(one).not.toBe(other);
    expect(decodeProtectedHeader(one).alg).toBe('RS256');
    const payload = JSON.parse(Buffer.from(one.split('.')[1] ?? '', 'base64url').toString());
    expect(payload).toMatchObject({ groups: ['owner:ada', `uid:${uid}`], exp: payload.iat + 130 });
    expect(await command(shapes.audience, 'audience', 'show', 'reports')).toMatchObject({ source: 'own', ttl: 120 });
    await command(shapes.audiences, 'audience', 'list');
    await command(shapes.audience, 'audience', 'set', 'aws', '--aws-session');
    await command(shapes.audience, 'audience', 'delete', 'aws');
    await command(shapes.audience, 'audience', 'delete', 'reports');
    const { stdout } = await mayfly.command('ledger', 'list', '--json');
    const kinds = (JSON.parse(stdout).records as { kind: string }[]).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind.startsWith('audience.'))).toEqual([
      ...['audience.set', 'audience.set', 'audience.deleted', 'audience.deleted'],
    ]);
  });
});

describe('a subject', () => {
  it('is the common name that openssl reads, filled in with facts; without one it is empty', async () => {
    const subjectOf = async (subject: string): Promise<string> => {
      const uid = ++nextUid;
      await mayfly.operator.create({
        spiffeId: `spiffe://example.org/db/${uid}`,
        selectors: [`unix:uid:${uid}`],
        subject,
      });
      const svid = first((await (await mayfly.workload(uid)).x509()).svids);
      const options = { input: svid.x509Svid };
      return execFileSync('openssl', ['x509', '-inform', 'DER', '-noout', '-subject'], options).toString().trim();
    };
    expect(await subjectOf('{name}@{owner}')).toBe(`subject=CN = ${nextUid}@ada`);
    expect(await subjectOf('')).toBe('subject=');
    const { status, stderr } = await mayfly.command(
      ...['entry', 'create', '--spiffe-id', 'spiffe://example.org/x', '--selector', 'unix:uid:1', '--owner', 'ada'],
      ...['--subject', '{caller}'],
    );
    expect([status, stderr]).toEqual([
      2,
      expect.stringContaining('the facts are spiffe_id, trust_domain, path, name, entry, owner'),
    ]);
  });
});

describe('federation lint', () => {
  /** The command is a workload too: root's. */
  const lint = async (parties: string, ...more: string[]) => {
    const caFile = join(directory, 'roots.pem');
    writeFileSync(caFile, roots);
    const words = ['federation', 'lint', '--for', parties, '--ca', caFile, ...more, '--json'];
    const { status, stdout, stderr } = await mayfly.command(...words);
    const document = JSON.parse(stdout || stderr);
    return { status, document, broken: broken(document) };
  };
  const broken = ({ findings = [] }: { findings?: { for: string; rule: string; state: string }[] }): string[] =>
    findings.flatMap((one) => (one.state === 'fails' ? [`${one.for} ${one.rule}`] : []));
  beforeAll(() => mayfly.operator.create({ ...rootsEntry, audiences: ['*'], subject: '{name}' }));
  const rootsEntry = { spiffeId: 'spiffe://example.org/lint', selectors: ['unix:uid:0'] };

  it('finds nothing where nothing is wrong, and the rules that a loopback issuer breaks for clouds', async () => {
    const good = await lint('kubernetes,vault,postgresql');
    expect({ status: good.status, broken: good.broken, faults: faults(good.document, shapes.lint) }).toEqual({
      ...{ status: 0, broken: [], faults: [] },
    });
    expect(good.document.findings.every(({ state }: { state: string }) => state === 'holds')).toBe(true);
    const { status, broken: there, document } = await lint('aws,azure,gcp,rgw');
    expect(status).toBe(6);
    expect(document.issuer).toBe(issuer);
    const clouds = ['aws', 'azure', 'gcp'].flatMap((name) => [`${name} issuer-public`, `${name} tls-chain`]);
    expect(there).toEqual([...clouds, 'rgw first-key-certificate']);
  });

  it('names an issuer in another spelling, one that is not there, and a token by another algorithm', async () => {
    expect((await lint('kubernetes', '--issuer', `${issuer}/`)).broken).toContain('kubernetes issuer-form');
    expect((await lint('kubernetes', '--issuer', 'https://127.0.0.1:1')).broken).toContain('kubernetes discovery');
    expect((await lint('azure', '--audience', 'reports')).broken).toEqual(
      expect.arrayContaining(['azure algorithm', 'azure aud']),
    );
    expect((await lint('nobody')).status).toBe(2);
  });
});

describe('an emergency', () => {
  it('drops every token key that exists, signs with new ones, and says who still accepts what', async () => {
    const uid = ++nextUid;
    const [ours, entra] = [await tokenFor('sts.amazonaws.com', uid), await tokenFor('api://AzureADTokenExchange')];
    await mayfly.command('authority', 'prepare', 'jwt');
    await mayfly.command('authority', 'prepare', 'jwt-rsa');
    const before = (await keys()).map(({ kid }) => kid);
    expect(before).toHaveLength(4);
    const dry = await command(shapes.rotation, 'authority', 'rotate', 'jwt', '--emergency', '--dry-run');
    expect(dry).toMatchObject({ dryRun: true, authority: null });
    expect((await keys()).map(({ kid }) => kid)).toEqual(before);

    const done = await command(shapes.rotation, 'authority', 'rotate', 'jwt', '--emergency');
    const after = await keys();
    expect(after.map(({ alg }) => alg)).toEqual(['ES256', 'RS256']);
    expect(after.filter(({ kid }) => before.includes(kid))).toEqual([]);
    expect(done).toMatchObject({ authority: after[0]?.kid, dryRun: false });
    const known = done['relyingParties'] as { name: string; accepts: string; until: string | null }[];
    for (const name of ['AWS', 'Kubernetes', 'Vault', 'MinIO', 'RGW', 'SPIFFE', 'upload']) {
      expect(known.filter((one) => one.name.includes(name)).length).toBeGreaterThan(0);
    }
    for (const token of [ours, entra]) {
      expect(after.some(({ kid }) => kid === decodeProtectedHeader(token).kid)).toBe(false);
    }
    // A token that was held is not given again.
    const workload = await mayfly.workload(uid);
    const again = first(await workload.jwt(['sts.amazonaws.com'])).svid;
    expect(decodeProtectedHeader(again).kid).toBe(after[0]?.kid);
    expect((await workload.validate('sts.amazonaws.com', ours)).code).toBe(grpc.invalidArgument);
    const { stdout } = await mayfly.command('authority', 'rotate', 'jwt', '--emergency', '--dry-run');
    expect(stdout).toMatch(/RELYING PARTY +UNTIL +ACCEPTS/);
    expect((await mayfly.command('authority', 'rotate', 'x509', '--emergency')).stderr).toMatch(
      /keys that sign tokens/,
    );
  });
});
