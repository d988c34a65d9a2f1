import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseBundle } from '../../src/spiffe/bundle.ts';
import { TrustDomain } from '../../src/spiffe/id.ts';
import { webCertificate } from '../fakes/bundle-endpoint.ts';
import { FakeCa, pemOf } from '../fakes/ca.ts';
import { issuerAmong, leafOf } from './documents.ts';
import { type Federated, startFederated } from './federated.ts';
import { first, until } from './fixture.ts';
import { decodeX509SvidResponse } from './wire.ts';
import { granted, type Workload } from './workload.ts';

let ours: Federated;
let theirs: Federated;
beforeAll(async () => {
  // Authorities of a minute: bundles hint at two seconds, and keys are replaced while we watch.
  [ours, theirs] = await Promise.all([
    startFederated('example.org', 'ca_ttl: 60s\nx509_svid_ttl: 20s\njwt_svid_ttl: 20s\n'),
    startFederated('partner.example', 'ca_ttl: 60s\nx509_svid_ttl: 20s\njwt_svid_ttl: 20s\n'),
  ]);
});
afterAll(() => Promise.all([ours, theirs].map((each) => each?.mayfly[Symbol.asyncDispose]())));

async function command(on: Federated, ...words: string[]): Promise<string> {
  const { status, stdout, stderr } = await on.mayfly.command(...words);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

let nextUid = 13_000;
async function workload(on: Federated, peer: string): Promise<Workload> {
  const uid = ++nextUid;
  const spiffeId = `spiffe://${on.mayfly.trustDomain}/echo`;
  const more = { federatesWith: [peer], audiences: [peer], selectors: [`unix:uid:${uid}`] };
  await on.mayfly.operator.create({ spiffeId, ...more });
  return on.mayfly.workload(uid);
}

const bundleFile = async (of: Federated): Promise<string> => {
  const path = join(ours.mayfly.directory, `${of.mayfly.trustDomain}.json`);
  writeFileSync(path, (await of.mayfly.operator.bundle()).spiffe);
  return path;
};

/** Each of the two believes what the other holds now, by what it was told last. */
async function believe(one: Workload, other: Workload): Promise<void> {
  const [mine, yours] = await Promise.all([one.x509(), other.x509()]);
  for (const [judge, judged] of [
    [mine, yours],
    [yours, mine],
  ] as const) {
    const svid = first(judged.svids);
    const roots = judge.federatedBundles.get(new URL('/', svid.spiffeId).href.replace(/\/$/, '')) ?? Buffer.alloc(0);
    expect(issuerAmong(leafOf(svid.x509Svid), roots)?.subject).toBeDefined();
  }
  granted(await one.validate('example.org', first(await other.jwt(['example.org'])).svid));
  granted(await other.validate('partner.example', first(await one.jwt(['partner.example'])).svid));
}

describe('two trust domains', () => {
  it('FD-02 FD-07 FD-23 federate in both profiles, and their workloads believe each other', async () => {
    const spiffe = [
      '--profile',
      'https_spiffe',
      '--endpoint-spiffe-id',
      'spiffe://partner.example/mayfly/bundle-endpoint',
    ];
    const bootstrap = ['--bundle-file', await bundleFile(theirs), '--private-addresses'];
    await command(ours, 'federation', 'create', 'partner.example', '--url', theirs.spiffe, ...spiffe, ...bootstrap);
    const web = ['--profile', 'https_web', '--roots', theirs.roots, '--private-addresses'];
    await command(theirs, 'federation', 'create', 'example.org', '--url', ours.web, ...web);
    await believe(await workload(ours, 'partner.example'), await workload(theirs, 'example.org'));
  });

  it('FD-27 BF-06 hear of each other’s new keys by their hints, and FD-25 go on through rotations', {
    timeout: 180_000,
  }, async () => {
    const [one, other] = [await workload(ours, 'partner.example'), await workload(theirs, 'example.org')];
    const stream = one.open('FetchX509SVID');
    const known = (message: Buffer): Buffer =>
      decodeX509SvidResponse(message).federatedBundles.get('spiffe://partner.example') ?? Buffer.alloc(0);
    // Refused where their plan was faster: one is prepared either way.
    await theirs.mayfly.command('authority', 'prepare', 'x509');
    const { x509Authorities } = await theirs.mayfly.operator.bundle();
    expect(x509Authorities.length).toBeGreaterThan(1);
    await until('the key that was prepared', () => {
      const message = stream.newest();
      return message !== undefined && x509Authorities.every((key) => known(message).includes(key));
    });
    for (let rotation = 0; rotation < 2; rotation++) {
      await Promise.all([ours, theirs].map((each) => command(each, 'authority', 'rotate', 'x509')));
      await command(ours, 'federation', 'refresh', 'partner.example');
      await command(theirs, 'federation', 'refresh', 'example.org');
      await believe(one, other);
    }
  });

  it('FD-22 the endpoint renews its X509-SVID under the running server', { timeout: 120_000 }, async () => {
    const issued = async () =>
      (await theirs.mayfly.operator.records({ kind: 'x509-svid.issued' })).filter(({ json }) =>
        json.includes('bundle-endpoint'),
      );
    const serials = (await issued()).length;
    await until('another X509-SVID of the endpoint', async () => (await issued()).length > serials, 60_000);
    await command(ours, 'federation', 'refresh', 'partner.example');
  });

  it('SIGHUP makes the endpoint read its certificate anew', async () => {
    const next = new FakeCa('next.example');
    const { cert, key } = pemOf(webCertificate(next));
    writeFileSync(join(ours.mayfly.directory, 'tls.key'), key, { mode: 0o600 });
    writeFileSync(join(ours.mayfly.directory, 'tls.crt'), cert);
    ours.mayfly.process.kill('SIGHUP');
    const refresh = () => theirs.mayfly.command('federation', 'refresh', 'example.org');
    await until('the new certificate', async () => (await refresh()).stderr.includes('certificate is not trusted'));
    const roots = join(theirs.mayfly.directory, 'next.pem');
    writeFileSync(roots, pemOf(next.itself()).cert);
    await command(theirs, 'federation', 'update', 'example.org', '--roots', roots);
    await command(theirs, 'federation', 'refresh', 'example.org');
  });

  it('puts its bundle in a file on every change and when asked', async () => {
    expect(await command(ours, 'bundle', 'publish')).toMatch(/^PLACE +STATE\nfile .*published.json +published\n/);
    const published = parseBundle(
      TrustDomain.parse('example.org'),
      readFileSync(join(ours.mayfly.directory, 'published.json')),
    );
    expect(published.sequence).toBe(BigInt(JSON.parse((await ours.mayfly.operator.bundle()).spiffe).spiffe_sequence));
  });

  it('puts it elsewhere when the settings are read again, without a restart', async () => {
    const elsewhere = join(ours.mayfly.directory, 'elsewhere.json');
    writeFileSync(
      ours.settings,
      readFileSync(ours.settings, 'utf8').replace(/path: \S+published.json/, `path: ${elsewhere}`),
    );
    expect(await command(ours, 'config', 'reload')).toMatch(/bundle_publish/);
    await until('the bundle in its new place', () => existsSync(elsewhere));
    expect(await command(ours, 'bundle', 'publish')).toContain(`file ${elsewhere}`);
  });

  it('FD-38 when one ends it, its workloads lose the other at once, and the other goes on', async () => {
    const one = await workload(ours, 'partner.example');
    const stream = one.open('FetchX509SVID');
    expect(decodeX509SvidResponse(await stream.next()).federatedBundles.size).toBe(1);
    await command(ours, 'federation', 'delete', 'partner.example');
    await until('no foreign bundle', () => {
      const message = stream.newest();
      return message !== undefined && decodeX509SvidResponse(message).federatedBundles.size === 0;
    });
    await command(theirs, 'federation', 'refresh', 'example.org');
  });
});
