import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeCa, svidMessage, x509Answer } from '../../test/fakes/ca.ts';
import { eventually, HastyClock } from '../../test/fakes/eventually.ts';
import { FakeWorkloadApi, Status } from '../../test/fakes/workload-api.ts';
import type { IdentityError } from '../errors.ts';
import { TrustDomain } from '../spiffe/id.ts';
import { WorkloadApiClient } from './client.ts';
import { X509Source, type X509SourceOptions } from './x509-source.ts';

const ca = new FakeCa('example.org');
const foreign = new FakeCa('other.org');
const [one, two, three] = [ca.issue('/one'), ca.issue('/two'), ca.issue('/three')];
const message = (issued = one, hint = '') => svidMessage(issued, [ca.certificate], hint);
const example = TrustDomain.parse('example.org');
const other = TrustDomain.parse('other.org');

let api: FakeWorkloadApi;
let client: WorkloadApiClient;

beforeEach(async () => {
  api = await FakeWorkloadApi.start();
  client = new WorkloadApiClient({ address: api.address, clock: new HastyClock() });
});

afterEach(async () => {
  client.close();
  await api[Symbol.asyncDispose]();
});

const open = (options: X509SourceOptions = {}) => X509Source.open({ client, ...options });

describe('an X.509 source', () => {
  it('WA-30 presents the first SVID', async () => {
    api.x509Svids.send(x509Answer([message(two), message(one), message(three)]));
    using source = await open();
    expect(source.svid.id).toBe(two.id);
    expect(source.svid.privateKey.equals(two.key)).toBe(true);
    expect(source.svids.map(({ id }) => id)).toEqual([two.id, one.id, three.id]);
  });

  it('WA-32 gives the SVID of a hint, or an error and never another', async () => {
    api.x509Svids.send(x509Answer([message(one), message(two, 'internal')]));
    using source = await open({ pick: (svids) => svids.find(({ hint }) => hint === 'internal') });
    expect(source.svidWithHint('internal').id).toBe(two.id);
    expect(source.svid.id).toBe(two.id);
    const refusal = { code: 'not-found', message: 'No SVID has the hint "external".' };
    expect(() => source.svidWithHint('external')).toThrow(expect.objectContaining(refusal));
    api.x509Svids.send(x509Answer([message(one)]));
    await eventually('the smaller answer', () => source.svids.length === 1);
    expect(() => source.svid).toThrow(expect.objectContaining({ code: 'not-found' }));
  });

  it('opens at the first SVID, however late it comes', async () => {
    api.x509Svids.fail(7, 'no identity issued');
    const opening = open();
    await eventually('a second attempt', () => api.calls.length >= 2);
    api.x509Svids.send(x509Answer([message()]));
    using source = await opening;
    expect(source.svid.id).toBe(one.id);
  });

  it('says what stood in the way when the time to open is over', async () => {
    api.x509Svids.fail(7, 'no identity issued');
    await expect(open({ signal: AbortSignal.timeout(100) })).rejects.toMatchObject({
      code: 'deadline-exceeded',
      message: expect.stringContaining('PERMISSION_DENIED: no identity issued'),
    });
    await expect(open({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' });
    await eventually('no stream is left', () => api.x509Svids.open === 0);
  });

  it('EP-27 does not open when the server does not know the call', async () => {
    api.x509Svids.fail(12, 'not here');
    await expect(open()).rejects.toMatchObject({ code: 'unimplemented' });
  });

  it('WA-26 XR-18 hands out nothing any more when the identity is withdrawn, and again when it is back', async () => {
    api.x509Svids.send(x509Answer([message()]));
    using source = await open();
    const seen: boolean[] = [];
    using _updates = source.onUpdate(() => seen.push(source.available));
    api.x509Svids.fail(7, 'no identity issued');
    await eventually('the withdrawal', () => !source.available);
    const refusal = expect.objectContaining({ code: 'permission-denied' });
    expect(() => source.svid).toThrow(refusal);
    expect(() => source.svids).toThrow(refusal);
    expect(() => source.bundle(example)).toThrow(refusal);
    expect(() => source.verify(one.chain)).toThrow(refusal);
    api.x509Svids.send(x509Answer([message(two)]));
    await eventually('the return', () => source.available);
    expect(source.svid.id).toBe(two.id);
    expect(seen).toEqual([false, true]);
  });

  it('XR-18 hands out no SVID that a later answer leaves out', async () => {
    api.x509Svids.send(x509Answer([message(one), message(two)]));
    using source = await open();
    api.x509Svids.send(x509Answer([message(two)]));
    await eventually('the smaller answer', () => source.svids.length === 1);
    expect(source.svid.id).toBe(two.id);
  });

  it('WA-21 keeps its state when an answer cannot be used, and reports it', async () => {
    const errors: IdentityError[] = [];
    api.x509Svids.send(x509Answer([message()]));
    using source = await open({ onError: (error) => errors.push(error) });
    const before = source.context;
    api.x509Svids.send(x509Answer([{ ...message(two), x509SvidKey: Buffer.alloc(0) }]));
    await eventually('the error', () => errors.length === 1);
    expect(source.context).toBe(before);
  });

  it('keeps what is valid while the server is away, and goes on afterwards', async () => {
    api.x509Svids.send(x509Answer([message()]));
    using source = await open();
    api.kill();
    await eventually('an attempt', () => (client.clock as HastyClock).pauses.length >= 2);
    expect(source.svid.id).toBe(one.id);
    await api.restart();
    api.x509Svids.send(x509Answer([message(two)]));
    await eventually('the next SVID', () => source.svid.id === two.id);
  });

  it('WA-19 WA-23 trusts a peer by the bundle of its own trust domain, and not at all without one', async () => {
    const peer = foreign.issue('/peer');
    api.x509Svids.send(x509Answer([message()], { 'other.org': [foreign.certificate] }));
    using source = await open();
    expect(source.verify(peer.chain)).toBe(peer.id);
    expect(source.bundle(other)).toEqual([foreign.certificate]);
    const impostor = ca.issue('/x', { uris: [peer.id] });
    expect(() => source.verify(impostor.chain)).toThrow(expect.objectContaining({ name: 'IdentityError' }));
    api.x509Svids.send(x509Answer([message()]));
    await eventually('the smaller answer', () => source.bundles.size === 1);
    expect(source.bundle(other)).toBeUndefined();
    expect(() => source.verify(peer.chain)).toThrow(expect.objectContaining({ name: 'IdentityError' }));
  });

  it('changes SVIDs and bundles together: a context is of one moment', async () => {
    const next = new FakeCa('example.org');
    api.x509Svids.send(x509Answer([message()]));
    using source = await open();
    const { svids, bundles } = source.context;
    api.x509Svids.send(x509Answer([svidMessage(next.issue('/one'), [next.certificate])]));
    await eventually('the next context', () => source.context.bundles !== bundles);
    expect(bundles.get(example)).toEqual([ca.certificate]);
    expect(svids[0]?.certificates).toEqual(one.chain);
    expect(source.bundle(example)).toEqual([next.certificate]);
  });

  it('gives every update to whoever iterates, and ends them when it is closed', async () => {
    api.x509Svids.send(x509Answer([message(one)]));
    const source = await open();
    const seen: (string | undefined)[] = [];
    const ended = (async () => {
      for await (const { svids } of source.updates()) seen.push(svids[0]?.id);
    })();
    api.x509Svids.send(x509Answer([message(two)]));
    await eventually('the update', () => seen.length === 2);
    source.close();
    await ended;
    expect(seen).toEqual([one.id, two.id]);
    const closed = { code: 'failed-precondition', message: 'This source is closed; open another.' };
    expect(() => source.svid).toThrow(expect.objectContaining(closed));
    await eventually('the stream is given back', () => api.x509Svids.open === 0);
  });

  it('EP-24 tells whoever iterates that the server will not go on', async () => {
    api.x509Svids.send(x509Answer([message()]));
    using source = await open();
    api.x509Svids.cut(new Status(3, 'no'));
    const iterate = async () => {
      for await (const _ of source.updates()) api.x509Svids.cut(new Status(3, 'no'));
    };
    await expect(iterate()).rejects.toMatchObject({ code: 'invalid-argument' });
    expect(source.svid.id).toBe(one.id);
  });

  it('closes the client that it made, and not the one that it was given', async () => {
    api.x509Svids.send(x509Answer([message()]));
    {
      await using _source = await X509Source.open({ address: api.address });
      using _given = await open();
      expect(api.x509Svids.open).toBe(2);
    }
    await eventually('the streams are given back', () => api.x509Svids.open === 0);
    await expect(client.fetchX509Context()).resolves.toBeDefined();
  });

  it('prints no private key', async () => {
    api.x509Svids.send(x509Answer([message()]));
    using source = await open();
    const key = one.key.export({ type: 'pkcs8', format: 'der' });
    for (const text of [JSON.stringify(source.context), String(source.svid.privateKey)]) {
      expect(text).not.toContain(key.toString('base64'));
      expect(text).not.toContain('PRIVATE KEY');
    }
  });
});
