import { describe, expect, it } from 'vitest';
import { type AgentScene, agentScene } from '../../test/fakes/agent-scene.ts';
import { IdentityError } from '../errors.ts';
import type { LedgerEvent } from '../ledger/ledger.ts';
import type { WorkloadApiClient } from '../sdk/client.ts';
import type { ExchangeIntent } from '../sdk/exchanges.ts';

const web = { spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:0'], owner: 'ada', audiences: ['sts'] };
const role = 'arn:aws:iam::123456789012:role/deploy';
const endpoint = 'https://sts.eu-central-1.amazonaws.com/';

async function tokenOf(client: WorkloadApiClient): Promise<string> {
  const [svid] = await client.fetchJwtSvids({ audience: 'sts' });
  return String(svid?.claims['jti']);
}

const intentFor = (jti: string): ExchangeIntent => ({ svid: { jti }, target: 'aws-web-identity', endpoint, role });
const exchangesIn = async (scene: AgentScene): Promise<LedgerEvent[]> =>
  (await scene.records()).filter(({ kind }) => kind.startsWith('exchange.'));

async function thrown(work: Promise<unknown>): Promise<IdentityError> {
  const error = await work.then(() => undefined).catch((reason: unknown) => reason);
  if (!(error instanceof IdentityError)) throw new Error('it was not refused', { cause: error });
  return error;
}

describe('an exchange', () => {
  it('is on record before the relying party is asked, and what it gave before anybody has it', async () => {
    await using scene = await agentScene();
    await scene.registry.createEntries([web]);
    using client = scene.client();
    const jti = await tokenOf(client);
    const expiresAt = Date.now() + 3_600_000;
    const asked: string[] = [];
    const { secret } = await client.exchanges.record(intentFor(jti), async (id) => {
      asked.push(id);
      expect(await exchangesIn(scene)).toMatchObject([{ kind: 'exchange.begun', exchange: id }]);
      return {
        secret: 'wJalr',
        gain: { principal: 'arn:aws:sts::1:assumed-role/deploy/x', credential: 'ASIA1', expiresAt },
      };
    });
    expect(secret).toBe('wJalr');
    const [begun, obtained] = await exchangesIn(scene);
    const known = { exchange: asked[0], jti, spiffeId: web.spiffeId, owner: 'ada', pid: process.pid, uid: 0 };
    const stated = { target: 'aws-web-identity', endpoint, role };
    expect(begun).toMatchObject({ kind: 'exchange.begun', ...known, stated });
    const gain = { principal: 'arn:aws:sts::1:assumed-role/deploy/x', credential: 'ASIA1', expiresAt };
    expect(obtained).toMatchObject({ kind: 'exchange.obtained', ...known, stated: { ...stated, ...gain } });
    expect(JSON.stringify([begun, obtained])).not.toContain('wJalr');
  });

  it('that failed is on record with the word of the relying party, and the caller hears its error', async () => {
    await using scene = await agentScene();
    await scene.registry.createEntries([web]);
    using client = scene.client();
    const refusal = Object.assign(new IdentityError('permission-denied', 'no'), { fault: 'AccessDenied' });
    const failed = client.exchanges.record(intentFor(await tokenOf(client)), () => Promise.reject(refusal));
    expect(await thrown(failed)).toBe(refusal);
    expect((await exchangesIn(scene)).at(-1)).toMatchObject({
      kind: 'exchange.failed',
      stated: { failure: 'AccessDenied' },
    });
  });

  it('hands nothing out where what was obtained cannot be recorded', async () => {
    const full = new IdentityError('resource-exhausted', 'no space', { reason: 'disk-full' });
    const recording = (event: LedgerEvent): Promise<void> =>
      event.kind === 'exchange.obtained' ? Promise.reject(full) : Promise.resolve();
    await using scene = await agentScene({ recording });
    await scene.registry.createEntries([web]);
    using client = scene.client();
    const work = client.exchanges.record(intentFor(await tokenOf(client)), async () => ({ gain: {} }));
    expect((await thrown(work)).code).toBe('resource-exhausted');
  });

  it('names an X.509-SVID by its serial number as well', async () => {
    await using scene = await agentScene();
    await scene.registry.createEntries([web]);
    using client = scene.client();
    await client.fetchX509Context();
    const issued = (await scene.records()).find((event) => event.kind === 'x509-svid.issued');
    const serial = issued?.kind === 'x509-svid.issued' ? issued.serial : '';
    await client.exchanges.record({ ...intentFor(''), svid: { serial: `00${serial.toUpperCase()}` } }, async () => ({
      gain: {},
    }));
    expect(await exchangesIn(scene)).toMatchObject([{ serial }, { serial, kind: 'exchange.obtained' }]);
  });

  it('names a token that is given once as well', async () => {
    await using scene = await agentScene();
    await scene.registry.createEntries([web]);
    await scene.registry.audiences.set({
      ...{ name: 'sts', audiences: ['sts'], algorithm: '', ttlSeconds: 0, derivedTtlSeconds: 0, claims: '' },
      singleUse: true,
    });
    using client = scene.client();
    const [one, other] = [await tokenOf(client), await tokenOf(client)];
    expect(one).not.toBe(other);
    await client.exchanges.record(intentFor(one), async () => ({ gain: {} }));
    expect(await exchangesIn(scene)).toMatchObject([{ jti: one }, { jti: one }]);
  });
});

describe('what is not put on record', () => {
  it('the exchange of an SVID that this process was not given', async () => {
    await using scene = await agentScene();
    await scene.registry.createEntries([web]);
    using client = scene.client();
    await tokenOf(client);
    const error = await thrown(client.exchanges.record(intentFor('f7cc9c7b'), async () => ({ gain: {} })));
    expect(error).toMatchObject({ code: 'not-found', message: expect.stringContaining('holds no such SVID') });
    expect(await exchangesIn(scene)).toEqual([]);
  });

  it('the exchange of one that it is not owed any more', async () => {
    await using scene = await agentScene();
    const [entry] = (
      await scene.registry.createEntries([web, { ...web, spiffeId: `${web.spiffeId}/b`, audiences: [] }])
    ).entries;
    using client = scene.client();
    const jti = await tokenOf(client);
    await scene.registry.deleteEntry(entry?.id ?? '');
    expect((await thrown(client.exchanges.record(intentFor(jti), async () => ({ gain: {} })))).code).toBe('not-found');
  });

  it.each([
    ['a target that is no word', { target: 'AWS STS' }],
    ['no endpoint', { endpoint: '' }],
    ['a role longer than any', { role: 'r'.repeat(2_049) }],
  ])('%s', async (_, wrong) => {
    await using scene = await agentScene();
    await scene.registry.createEntries([web]);
    using client = scene.client();
    const jti = await tokenOf(client);
    const error = await thrown(client.exchanges.record({ ...intentFor(jti), ...wrong }, async () => ({ gain: {} })));
    expect(error.code).toBe('invalid-argument');
    expect(await exchangesIn(scene)).toEqual([]);
  });

  it('more of them than a process can mean: the disk is for everybody', async () => {
    await using scene = await agentScene();
    await scene.registry.createEntries([web]);
    using client = scene.client();
    const jti = await tokenOf(client);
    const all = Array.from({ length: 100 }, () => client.exchanges.record(intentFor(jti), async () => ({ gain: {} })));
    const refused = (await Promise.allSettled(all)).filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThan(20);
    expect((refused[0] as PromiseRejectedResult).reason).toMatchObject({ code: 'resource-exhausted' });
  });
});
