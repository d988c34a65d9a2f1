/** An operator replaces keys under living streams: planned, in an emergency, and never against a promise by accident. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { certificates, issuerAmong, leafOf, readToken } from './documents.ts';
import { first, type Mayfly, startMayfly, until } from './fixture.ts';
import { decodeJwtBundlesResponse, decodeX509SvidResponse } from './wire.ts';
import { grpc, type Stream, type Workload } from './workload.ts';

interface Outcome {
  readonly authority: string | null;
  readonly steps: readonly { readonly verb: string; readonly authority: string | null }[];
  readonly needs: readonly { readonly force: string }[];
  readonly use: { readonly credentials: number; readonly spiffeIds: readonly string[]; readonly streams: number };
}

const trustDomain = 'spiffe://example.org';
let mayfly: Mayfly;
let workload: Workload;
let stream: Stream;

beforeAll(async () => {
  mayfly = await startMayfly();
  const drafts = ['one', 'two'].map((name) => ({
    spiffeId: `${trustDomain}/${name}`,
    selectors: ['unix:uid:10001'],
    audiences: ['reports'],
  }));
  await mayfly.operator.createAll(drafts);
  workload = await mayfly.workload(10001);
  stream = workload.open('FetchX509SVID');
  await stream.next();
});
afterAll(() => mayfly?.[Symbol.asyncDispose]());

/** Both SVIDs in the newest message, each with the root that signed it; every one of them verifies by the bundle beside it. */
function held(): readonly { readonly serial: string; readonly root: string }[] {
  const { svids } = decodeX509SvidResponse(stream.newest() ?? Buffer.alloc(0));
  return svids.map((svid) => {
    const leaf = leafOf(svid.x509Svid);
    return { serial: leaf.serialNumber, root: issuerAmong(leaf, svid.bundle)?.serialNumber ?? 'nobody' };
  });
}

const roots = (): number =>
  certificates(first(decodeX509SvidResponse(stream.newest() ?? Buffer.alloc(0)).svids).bundle).length;

async function order(...words: string[]): Promise<Outcome> {
  const { status, stdout, stderr } = await mayfly.command('authority', ...words, '--json');
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout) as Outcome;
}

const states = async (kind: string): Promise<string[]> => {
  const { stdout } = await mayfly.command('authority', 'list', '--json');
  const { authorities } = JSON.parse(stdout) as { authorities: { kind: string; state: string }[] };
  return authorities.filter((one) => one.kind === kind).map(({ state }) => state);
};

describe('an operator who replaces an X.509 authority', () => {
  it('is told first what would be done, what it breaks and whom it touches', async () => {
    const { steps, needs, use } = await order('taint', 'x509', '--id', await active('x509'), '--dry-run');
    expect(steps.map(({ verb }) => verb)).toEqual(['prepare', 'activate', 'taint']);
    expect(needs.map(({ force }) => force)).toEqual(['active', 'unpublished']);
    expect(use.spiffeIds).toEqual([`${trustDomain}/one`, `${trustDomain}/two`]);
    expect([use.streams, use.credentials >= 2]).toEqual([1, true]);
    expect(await states('x509')).toEqual(['active']);
  });

  it('cannot break a promise by accident', async () => {
    const { status, stderr } = await mayfly.command('authority', 'taint', 'x509', '--id', await active('x509'));
    expect(status).toBe(6);
    expect(stderr).toContain('--force-active');
    expect(stderr).toContain('--force-unpublished');
    expect(await states('x509')).toEqual(['active']);
  });

  it('prepares one: it is in every bundle, and signs nothing yet', async () => {
    const before = held();
    const { steps } = await order('prepare', 'x509');
    expect(steps).toHaveLength(1);
    await until('the stream has the new bundle', () => roots() === 2);
    expect(held()).toEqual(before);
    expect((await order('prepare', 'x509')).steps).toEqual([]);
    expect(await states('x509')).toEqual(['active', 'prepared']);
  });

  it('activates it: what was handed out stays valid, what is new is by the new one', async () => {
    const before = held();
    const { status, stderr } = await mayfly.command('authority', 'activate', 'x509');
    expect([status, stderr]).toEqual([6, expect.stringContaining('--force-unpublished')]);
    await order('activate', 'x509', '--force-unpublished');
    expect(held()).toEqual(before);
    const newcomer = await mayfly.workload(10001);
    const svid = first((await newcomer.x509()).svids);
    const root = issuerAmong(leafOf(svid.x509Svid), svid.bundle)?.serialNumber;
    expect([undefined, first(before).root]).not.toContain(root);
  });

  it('taints the old one: all that it signed is replaced on the open stream, at once and together', async () => {
    const before = held();
    const { use } = await order('taint', 'x509');
    expect(use.streams).toBe(1);
    const after = held();
    expect(after.map(({ root }) => root)).not.toContain(first(before).root);
    expect(new Set(after.map(({ root }) => root)).size).toBe(1);
    expect(roots()).toBe(2);
    for (const { serial } of after) expect(before.map((one) => one.serial)).not.toContain(serial);
  });

  it('revokes it: it leaves the bundle, and is refused before what it signed has expired unless that is said', async () => {
    const { status, stderr } = await mayfly.command('authority', 'revoke', 'x509');
    expect([status, stderr]).toEqual([6, expect.stringContaining('--force-unexpired')]);
    const { use } = await order('revoke', 'x509', '--force-unexpired');
    expect(use.streams).toBe(0);
    expect(roots()).toBe(1);
    expect(await states('x509')).toEqual(['active']);
  });

  it('has everything on record, with who ordered it', async () => {
    const records = await mayfly.operator.records();
    const steps = records.filter(({ kind }) => kind.startsWith('authority.')).map(({ json }) => JSON.parse(json));
    const ordered = steps.filter((step) => step.use === 'x509' && step.actorUid !== undefined);
    expect(ordered.map(({ kind }) => kind.slice('authority.'.length))).toEqual([
      'prepared',
      'activated',
      'retired',
      'tainted',
      'revoked',
    ]);
    expect(await mayfly.operator.verifyLedger()).toMatchObject({ ok: true });
  });
});

describe('an emergency', () => {
  it('revokes the X.509 authority that signs, with nobody prepared: another signs for everybody before it goes', async () => {
    const before = held();
    const forced = ['--force-active', '--force-unpublished', '--force-unexpired'];
    const { steps } = await order('revoke', 'x509', '--id', await active('x509'), ...forced);
    expect(steps.map(({ verb }) => verb)).toEqual(['prepare', 'activate', 'taint', 'revoke']);
    expect(roots()).toBe(1);
    expect(held().map(({ root }) => root)).not.toContain(first(before).root);
  });

  it('revokes the JWT authority that signs: its tokens are refused, and new ones are by another', async () => {
    const token = first(await workload.jwt(['reports'])).svid;
    const forced = ['--force-active', '--force-unpublished', '--force-unexpired'];
    await order('revoke', 'jwt', '--id', await active('jwt'), ...forced);
    expect((await workload.validate('reports', token)).code).toBe(grpc.invalidArgument);
    const next = first(await workload.jwt(['reports'])).svid;
    expect(readToken(next).header['kid']).not.toBe(readToken(token).header['kid']);
    expect((await workload.validate('reports', next)).code).toBe(grpc.ok);
    const bundles = decodeJwtBundlesResponse(await workload.open('FetchJWTBundles').next()).bundles;
    expect(JSON.parse(String(bundles.get(trustDomain))).keys).toHaveLength(1);
  });
});

describe('a timeline', () => {
  it('draws each life, those to come as well', async () => {
    const { status, stdout } = await mayfly.command('authority', 'timeline', '--until', '3d');
    expect(status).toBe(0);
    expect(stdout).toMatch(/▼ now/);
    expect(stdout).toMatch(/^x509 [0-9a-f]{8} .*█+▒/m);
    expect(stdout).toMatch(/^jwt {2}to come {2} *░+█/m);
  });
});

async function active(kind: string): Promise<string> {
  const { stdout } = await mayfly.command('authority', 'list', '--json');
  const { authorities } = JSON.parse(stdout) as { authorities: { kind: string; state: string; id: string }[] };
  return first(authorities.filter((one) => one.kind === kind && one.state === 'active')).id;
}
