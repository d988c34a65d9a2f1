import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as shapes from '../../src/cli/shapes.ts';
import { encodePem } from '../../src/x509/pem.ts';
import { FakeBundleEndpoint, saying, webCertificate } from '../fakes/bundle-endpoint.ts';
import { FakeCa } from '../fakes/ca.ts';
import { faults } from '../fakes/conforms.ts';
import { first, type Mayfly, startMayfly } from './fixture.ts';
import {
  type BundlesResponse,
  decodeJwtBundlesResponse,
  decodeX509BundlesResponse,
  decodeX509SvidResponse,
} from './wire.ts';
import { granted, grpc, type Workload } from './workload.ts';

const here = 'spiffe://example.org';
const there = 'spiffe://partner.example';

let mayfly: Mayfly;
let partner: Mayfly;
let nextUid = 12_000;
beforeAll(async () => {
  [mayfly, partner] = await Promise.all([startMayfly(), startMayfly({ trustDomain: 'partner.example' })]);
});
afterAll(() => Promise.all([mayfly[Symbol.asyncDispose](), partner[Symbol.asyncDispose]()]));

const webCa = new FakeCa('web.example');

/** One command on our side, its document of the promised shape. */
async function command(shape: shapes.Shape, ...words: string[]): Promise<Record<string, never>> {
  const { status, stdout, stderr } = await mayfly.command(...words, '--json');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const document = JSON.parse(stdout);
  expect(faults(document, shape)).toEqual([]);
  return document;
}

/** A file in our directory. */
function file(name: string, content: string): string {
  const path = join(mayfly.directory, name);
  writeFileSync(path, content);
  return path;
}

async function federating(name: string, federatesWith: readonly string[]): Promise<Workload> {
  const uid = ++nextUid;
  const selectors = [`unix:uid:${uid}`];
  const entry = { spiffeId: `${here}/${name}`, selectors, federatesWith: [...federatesWith], audiences: ['them'] };
  await mayfly.operator.create(entry);
  return mayfly.workload(uid);
}

const domains = ({ bundles }: BundlesResponse): string[] => [...bundles.keys()].sort();

async function trusted(workload: Workload): Promise<string[][]> {
  const { federatedBundles } = await workload.x509();
  return [[...federatedBundles.keys()], domains(await workload.x509Bundles()), domains(await workload.jwtBundles())];
}

/** A token of the other trust domain, for somebody here. */
async function foreignToken(): Promise<string> {
  const uid = ++nextUid;
  await partner.operator.create({ spiffeId: `${there}/db`, selectors: [`unix:uid:${uid}`], audiences: ['us'] });
  const workload = await partner.workload(uid);
  return first(await workload.jwt(['us'])).svid;
}

describe('a bundle that an operator brings', () => {
  it('FD-23 FD-24 FD-34 reaches the entries that name its trust domain, on open streams, and no other', async () => {
    const [friend, stranger] = await Promise.all([federating('friend', ['partner.example']), federating('alone', [])]);
    const streams = (['FetchX509SVID', 'FetchX509Bundles', 'FetchJWTBundles'] as const).map((name) =>
      friend.open(name),
    );
    const quiet = stranger.open('FetchX509SVID');
    const before = await Promise.all(streams.map((stream) => stream.next()));
    await quiet.next();
    expect(decodeX509SvidResponse(first(before)).federatedBundles.size).toBe(0);

    const spiffe = file('partner.json', (await partner.operator.bundle()).spiffe);
    const set = await command(shapes.foreignBundle, 'bundle', 'set', 'partner.example', '--file', spiffe);
    expect(set).toMatchObject({
      trustDomain: 'partner.example',
      x509Authorities: 1,
      jwtAuthorities: 1,
      source: 'operator',
    });
    const [svids, x509, jwt] = await Promise.all(streams.map((stream) => stream.next()));
    const authorities = Buffer.concat((await partner.operator.bundle()).x509Authorities);
    expect(decodeX509SvidResponse(svids as Buffer).federatedBundles).toEqual(new Map([[there, authorities]]));
    expect(decodeX509BundlesResponse(x509 as Buffer).bundles.get(there)).toEqual(authorities);
    expect(domains(decodeJwtBundlesResponse(jwt as Buffer))).toEqual([here, there]);
    expect(await trusted(stranger)).toEqual([[], [here], [here]]);
    expect(quiet.waiting).toBe(0);

    const pem = file('partner.pem', (await partner.command('bundle', 'show')).stdout);
    await command(shapes.foreignBundle, 'bundle', 'set', 'partner.example', '--file', pem);
    expect(domains(decodeJwtBundlesResponse(await first(streams.slice(2)).next()))).toEqual([here, there]);
    expect(await command(shapes.bundle, 'bundle', 'show', 'partner.example')).toMatchObject({ jwks: { keys: [] } });
    await command(shapes.foreignBundles, 'bundle', 'list');
    await command(shapes.foreignBundle, 'bundle', 'delete', 'partner.example');
    expect(await trusted(friend)).toEqual([[], [here], [here]]);
  });

  it('FD-33 lets a caller who federates validate tokens of that trust domain, and nobody else', async () => {
    const [friend, stranger] = await Promise.all([federating('judge', ['partner.example']), federating('lone', [])]);
    const token = await foreignToken();
    expect((await friend.validate('us', token)).code).toBe(grpc.invalidArgument);
    const path = file('partner.json', (await partner.operator.bundle()).spiffe);
    await command(shapes.foreignBundle, 'bundle', 'set', 'partner.example', '--file', path);
    granted(await friend.validate('us', token));
    expect((await friend.validate('others', token)).code).toBe(grpc.invalidArgument);
    expect((await stranger.validate('us', token)).code).toBe(grpc.invalidArgument);
    await command(shapes.foreignBundle, 'bundle', 'delete', 'partner.example');
    expect((await friend.validate('us', token)).code).toBe(grpc.invalidArgument);
  });
});

describe('a federation', () => {
  const flags = (endpoint: FakeBundleEndpoint) => {
    const roots = file('roots.pem', encodePem('CERTIFICATE', webCa.certificate));
    return ['--url', endpoint.url, '--profile', 'https_web', '--roots', roots, '--private-addresses'];
  };

  it('FD-04 BF-03 goes through its life on the command line, on record, and FD-38 takes its bundle with it', async () => {
    await using endpoint = await FakeBundleEndpoint.listen(
      webCertificate(webCa),
      saying((await partner.operator.bundle()).spiffe),
    );
    const workload = await federating('web', ['partner.example']);
    const stream = workload.open('FetchX509SVID');
    await stream.next();
    const created = await command(shapes.federation, 'federation', 'create', 'partner.example', ...flags(endpoint));
    expect(created).toMatchObject({
      trustDomain: 'partner.example',
      profile: 'https_web',
      x509Authorities: 1,
      failures: 0,
    });
    expect([...decodeX509SvidResponse(await stream.next()).federatedBundles.keys()]).toEqual([there]);

    const listed = await command(shapes.federations, 'federation', 'list');
    expect(listed).toMatchObject({ federations: [{ trustDomain: 'partner.example', lastError: null }] });
    endpoint.behave = saying('{"keys":[],"spiffe_sequence":18446744073709551615}');
    const refreshed = await command(shapes.federation, 'federation', 'refresh', 'partner.example');
    expect(refreshed).toMatchObject({ sequence: '18446744073709551615', x509Authorities: 0 });
    // BF-03: everything is revoked. No entry rather than an empty one, on which clients in the field break.
    expect(decodeX509SvidResponse(await stream.next()).federatedBundles.size).toBe(0);
    expect(await trusted(workload)).toEqual([[], [here], [here, there]]);

    endpoint.behave = (_, response) => void response.writeHead(500).end();
    const failed = await mayfly.command('federation', 'refresh', 'partner.example');
    expect(failed).toMatchObject({
      status: 8,
      stderr: expect.stringContaining('partner.example: it answers with status 500'),
    });
    const shown = await mayfly.command('federation', 'show', 'partner.example');
    expect(shown.stdout).toMatch(
      /bundle .*sequence 18446744073709551615.*\n.*last error +it answers with status 500 \(1 failure/s,
    );

    const update = ['federation', 'update', 'partner.example', '--url', `${endpoint.url}/moved`];
    expect(await command(shapes.federation, ...update)).toMatchObject({ endpointUrl: `${endpoint.url}/moved` });
    await command(shapes.federation, 'federation', 'delete', 'partner.example');
    expect(await trusted(workload)).toEqual([[], [here], [here]]);
    const kinds = (await mayfly.operator.records({ limit: 0 })).map(({ kind }) => kind);
    const told = kinds.filter((kind) => kind.startsWith('federation.') || kind.startsWith('bundle.'));
    expect(told.slice(-6)).toEqual([
      'federation.created',
      'bundle.stored',
      'bundle.stored',
      'federation.updated',
      'federation.deleted',
      'bundle.deleted',
    ]);
    expect(await mayfly.operator.verifyLedger()).toMatchObject({ ok: true });
  });

  it('is made although its endpoint cannot be reached, with a warning, and refuses our own trust domain', async () => {
    const url = ['--url', 'https://127.0.0.1:1/', '--profile', 'https_web'];
    const created = await mayfly.command('federation', 'create', 'far.example', ...url);
    expect(created).toMatchObject({ status: 0, stderr: expect.stringMatching(/^warning: .*not one of the public/) });
    const ours = await mayfly.command('federation', 'create', 'example.org', ...url);
    expect(ours).toMatchObject({ status: 2, stderr: expect.stringMatching(/FD-43|is our own/) });
    expect((await mayfly.command('federation', 'create', 'x.example')).status).toBe(2);
    expect((await mayfly.command('federation', 'update', 'far.example')).status).toBe(2);
    expect((await mayfly.command('federation', 'delete', 'far.example')).status).toBe(0);
  });
});
