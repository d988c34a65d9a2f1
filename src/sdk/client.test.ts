import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeCa, type Issued, svidMessage, x509Answer } from '../../test/fakes/ca.ts';
import { eventually, HastyClock } from '../../test/fakes/eventually.ts';
import { FakeJwtAuthority } from '../../test/fakes/jwt-authority.ts';
import { FakeWorkloadApi, Status } from '../../test/fakes/workload-api.ts';
import type { IdentityError } from '../errors.ts';
import { TrustDomain } from '../spiffe/id.ts';
import { WorkloadApiClient } from './client.ts';
import type { X509Context } from './x509-context.ts';

const ca = new FakeCa('example.org');
const foreign = new FakeCa('other.org');
const web = ca.issue('/web');
const answer = (issued: Issued = web) => x509Answer([svidMessage(issued, [ca.certificate])]);
const jwt = new FakeJwtAuthority();
const jwtBundles = { bundles: new Map([['spiffe://example.org', FakeJwtAuthority.jwks(jwt)]]) };

let api: FakeWorkloadApi;
let clock: HastyClock;
let client: WorkloadApiClient;

beforeEach(async () => {
  api = await FakeWorkloadApi.start();
  clock = new HastyClock();
  client = new WorkloadApiClient({ address: api.address, clock });
});

afterEach(async () => {
  client.close();
  await api[Symbol.asyncDispose]();
});

/** A watch that runs by itself, and what it has seen. */
function follow() {
  const stop = new AbortController();
  const seen: X509Context[] = [];
  const errors: IdentityError[] = [];
  const options = { signal: stop.signal, onError: (error: IdentityError) => errors.push(error) };
  const ended = (async () => {
    for await (const context of client.watchX509Context(options)) seen.push(context);
  })();
  return { seen, errors, ended, stop: () => stop.abort() };
}

describe('one call', () => {
  it('EP-07 sends the security header, once, with every RPC', async () => {
    api.x509Svids.send(answer());
    api.x509Bundles.send({ crl: [], bundles: new Map([['spiffe://example.org', ca.certificate]]) });
    api.jwtBundles.send(jwtBundles);
    api.jwtSvids = ({ audience }) => ({ svids: [jwt.svid(web.id, audience, Date.now())] });
    api.validation = () => ({ spiffeId: web.id, claims: { sub: web.id } });
    await client.fetchX509Context();
    await client.fetchX509Bundles();
    await client.fetchJwtBundles();
    const [svid] = await client.fetchJwtSvids({ audience: 'a' });
    await client.validateJwtSvid({ audience: 'a', token: svid?.token ?? '' });
    expect(api.calls.map(({ method, header }) => [method, header])).toEqual(
      ['FetchX509SVID', 'FetchX509Bundles', 'FetchJWTBundles', 'FetchJWTSVID', 'ValidateJWTSVID'].map((method) => [
        method,
        ['true'],
      ]),
    );
  });

  it('EP-17 finds the server by SPIFFE_ENDPOINT_SOCKET', async () => {
    api.x509Svids.send(answer());
    vi.stubEnv('SPIFFE_ENDPOINT_SOCKET', api.address);
    using fallback = new WorkloadApiClient();
    vi.unstubAllEnvs();
    const { svids } = await fallback.fetchX509Context();
    expect(svids[0]?.id).toBe('spiffe://example.org/web');
  });

  it('carries the code and the text of the server', async () => {
    api.x509Svids.fail(7, 'no identity issued');
    await expect(client.fetchX509Context()).rejects.toMatchObject({
      code: 'permission-denied',
      message: 'The Workload API answered PERMISSION_DENIED: no identity issued',
    });
    await expect(client.fetchJwtSvids({ audience: 'a' })).rejects.toMatchObject({ code: 'unimplemented' });
  });

  it('ends when its signal aborts, and says whether that was a lack of time', async () => {
    await expect(client.fetchX509Context({ signal: AbortSignal.timeout(20) })).rejects.toMatchObject({
      code: 'deadline-exceeded',
    });
    await expect(client.fetchX509Context({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' });
    await eventually('the server hears of the cancel', () => api.x509Svids.open === 0);
  });

  it('is refused by a server that is not there', async () => {
    api.kill();
    await expect(client.fetchX509Context()).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('ends when its client is closed', async () => {
    const call = client.fetchX509Context();
    client.close();
    await expect(call).rejects.toMatchObject({ code: 'cancelled' });
  });
});

describe('a watch', () => {
  it('EP-24 stops at InvalidArgument and reports it', async () => {
    api.x509Svids.fail(3, 'security header missing from request');
    await expect(follow().ended).rejects.toMatchObject({
      code: 'invalid-argument',
      message: 'The Workload API answered INVALID_ARGUMENT: security header missing from request',
    });
    expect(api.calls).toHaveLength(1);
  });

  it('EP-27 calls once when the server answers Unimplemented', async () => {
    api.x509Svids.fail(12, 'not here');
    await expect(follow().ended).rejects.toMatchObject({ code: 'unimplemented' });
    expect(api.calls).toHaveLength(1);
  });

  it('EP-25 comes back to a server that was killed, with growing pauses until then', async () => {
    api.x509Svids.send(answer());
    const watch = follow();
    await eventually('the first context', () => watch.seen.length === 1);
    api.kill();
    await eventually('some attempts', () => clock.pauses.length >= 4);
    await api.restart();
    await eventually('the second context', () => watch.seen.length === 2);
    const [one = 0, two = 0, three = 0] = clock.pauses;
    expect([one, two, three].map((ms) => Math.floor(ms / 1_000))).toEqual([1, 2, 3]);
    // A server that dies may reset its streams with CANCEL: Cancelled ends a watch only when it was we who cancelled.
    expect(watch.errors.map(({ code }) => code).slice(0, 2)).toEqual(['cancelled', 'unavailable']);
    watch.stop();
    await watch.ended;
  });

  it('EP-25 tries again when the server is overloaded', async () => {
    api.x509Svids.fail(14, 'starting');
    const watch = follow();
    await eventually('a second attempt', () => api.calls.length >= 2);
    api.x509Svids.send(answer());
    await eventually('a context', () => watch.seen.length === 1);
    expect(watch.errors[0]?.message).toBe('The Workload API answered UNAVAILABLE: starting');
    watch.stop();
  });

  it('EP-26 XR-17 picks up an identity that is registered later', async () => {
    api.x509Svids.fail(7, 'no identity issued');
    const watch = follow();
    await eventually('a second attempt', () => api.calls.length >= 2);
    api.x509Svids.send(answer());
    await eventually('a context', () => watch.seen.length === 1);
    expect(clock.pauses[0]).toBeGreaterThanOrEqual(1_000);
    watch.stop();
  });

  it.each([
    ['ended', undefined],
    ['stopped', new Status(14, 'stopping')],
    ['reset', new Status(1, 'reset')],
  ])('WA-17 opens its stream again at once when the server has %s it, and does not poll', async (_how, status) => {
    api.x509Svids.send(answer());
    const watch = follow();
    await eventually('the first context', () => watch.seen.length === 1);
    api.x509Svids.cut(status);
    await eventually('the second context', () => watch.seen.length === 2);
    expect(clock.pauses).toEqual([]);
    expect(api.calls).toHaveLength(2);
    watch.stop();
  });

  it('ends quietly when its signal aborts, also in the middle of a pause', async () => {
    const slow = new WorkloadApiClient({ address: 'unix:///nowhere/x.sock' });
    const stop = new AbortController();
    const errors: IdentityError[] = [];
    const ended = (async () => {
      const options = { signal: stop.signal, onError: (error: IdentityError) => errors.push(error) };
      for await (const _ of slow.watchX509Context(options)) expect.unreachable();
    })();
    await eventually('an error', () => errors.length === 1);
    stop.abort();
    await ended;
    slow.close();
  });
});

describe('an X.509 answer', () => {
  it('WA-18 WA-19 replaces all that came before: a bundle that is missing is unloaded', async () => {
    const both = { 'other.org': [foreign.certificate] };
    api.x509Svids.send(x509Answer([svidMessage(web, [ca.certificate])], both));
    const watch = follow();
    await eventually('the first context', () => watch.seen.length === 1);
    api.x509Svids.send(answer());
    await eventually('the second context', () => watch.seen.length === 2);
    const known = watch.seen.map(({ bundles }) => [...bundles.keys()].sort());
    expect(known).toEqual([['example.org', 'other.org'], ['example.org']]);
    watch.stop();
  });

  const good = svidMessage(web, [ca.certificate]);
  const other = svidMessage(ca.issue('/other'), [ca.certificate]);
  it.each([
    ['no SVID', [], 'svids is empty'],
    ['an empty spiffe_id', [{ ...good, spiffeId: '' }], 'spiffe_id is empty'],
    ['an empty x509_svid', [{ ...good, x509Svid: Buffer.alloc(0) }], 'x509_svid is empty'],
    ['an empty x509_svid_key', [{ ...good, x509SvidKey: Buffer.alloc(0) }], 'x509_svid_key is empty'],
    ['an empty bundle', [{ ...good, bundle: Buffer.alloc(0) }], 'bundle is empty'],
    ['a good SVID and a bad one', [good, { ...other, x509SvidKey: Buffer.alloc(0) }], 'x509_svid_key is empty'],
    ['an identity of another name', [{ ...good, spiffeId: other.spiffeId }], 'name different identities'],
    ['a key of another', [{ ...good, x509SvidKey: other.x509SvidKey }], 'does not belong to x509_svid'],
    ['a key in no known form', [{ ...good, x509SvidKey: Buffer.from('key') }], 'x509_svid_key: not what it should be'],
    ['a truncated certificate', [{ ...good, x509Svid: good.x509Svid.subarray(0, 90) }], 'x509_svid:'],
    ['a truncated bundle', [{ ...good, bundle: good.bundle.subarray(0, 90) }], 'bundle:'],
  ])('WA-21 with %s is reported and passed over; what was known stays', async (_what, svids, message) => {
    api.x509Svids.send(answer());
    const watch = follow();
    await eventually('the first context', () => watch.seen.length === 1);
    api.x509Svids.send(x509Answer(svids));
    const error = await eventually('an error', () => watch.errors[0]);
    expect(error).toMatchObject({ code: 'unavailable', reason: 'unusable-answer' });
    expect(error.message).toContain(message);
    expect(watch.seen).toHaveLength(1);
    api.x509Svids.send(answer(ca.issue('/web')));
    await eventually('the next good context', () => watch.seen.length === 2);
    expect(api.calls).toHaveLength(1);
    watch.stop();
  });

  it('leaves a federated trust domain untrusted whose bundle cannot be read, and keeps the rest', async () => {
    const odd = { 'other.org': [foreign.certificate], 'bad.org': [Buffer.from('junk')], 'empty.org': [] };
    api.x509Svids.send(x509Answer([good], odd));
    const watch = follow();
    const { bundles } = await eventually('a context', () => watch.seen[0]);
    expect([...bundles.keys()].sort()).toEqual(['example.org', 'other.org']);
    expect(watch.errors.map(({ message }) => message)).toEqual([expect.stringContaining('the bundle of bad.org')]);
    watch.stop();
  });

  it('WA-28 with the same hint twice means the first', async () => {
    const [one, two] = [ca.issue('/one'), ca.issue('/two')];
    api.x509Svids.send(
      x509Answer([
        svidMessage(one, [ca.certificate], 'blue'),
        svidMessage(two, [ca.certificate], 'blue'),
        svidMessage(web, [ca.certificate]),
      ]),
    );
    const { svids } = await client.fetchX509Context();
    expect(svids.map(({ id }) => id)).toEqual([one.id, web.id]);
  });

  it('XR-15 XR-24 JR-22 brings bundles that fit its own kind of SVID only', async () => {
    api.x509Svids.send(answer());
    api.x509Bundles.send({ crl: [], bundles: new Map([['spiffe://example.org', ca.certificate]]) });
    api.jwtBundles.send(jwtBundles);
    const td = TrustDomain.parse('example.org');
    const context = await client.fetchX509Context();
    // Certificates are bytes here and JWT authorities are keys: neither verifier takes the other's (the types say so).
    expect(context.bundles.get(td)).toEqual([ca.certificate]);
    expect((await client.fetchX509Bundles()).get(td)).toEqual([ca.certificate]);
    expect((await client.fetchJwtBundles()).get(td)).toMatchObject([{ keyId: 'k1' }]);
    expect(Object.keys(context).sort()).toEqual(['bundles', 'crls', 'svids']);
  });
});

describe('a JWT answer', () => {
  const svid = jwt.svid(web.id, ['a'], Date.now());
  it.each([
    ['no SVID', [], 'svids is empty'],
    ['an empty spiffe_id', [{ ...svid, spiffeId: '' }], 'spiffe_id is empty'],
    ['an empty svid', [{ ...svid, svid: '' }], 'svid is empty'],
    ['no token', [{ ...svid, svid: 'a.b' }], 'svid:'],
    [
      'the token of another',
      [jwt.svid(web.id, ['a'], 0), { ...svid, spiffeId: `${web.id}/2` }],
      'different identities',
    ],
    ['a token for others', [jwt.svid(web.id, ['b'], Date.now())], 'lacks the audience'],
  ])('WA-21 with %s is an error', async (_what, svids, message) => {
    api.jwtSvids = () => ({ svids });
    const refusal = expect(client.fetchJwtSvids({ audience: 'a' })).rejects;
    await refusal.toMatchObject({ code: 'unavailable', message: expect.stringContaining(message) });
  });

  it('asks for no token without an audience', async () => {
    const refusal = { code: 'invalid-argument' };
    await expect(client.fetchJwtSvids({ audience: [] })).rejects.toMatchObject(refusal);
    await expect(client.fetchJwtSvids({ audience: ['a', ''] })).rejects.toMatchObject(refusal);
    expect(api.calls).toEqual([]);
  });
});
