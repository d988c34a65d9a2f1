import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { agentScene, type SceneOptions } from '../../test/fakes/agent-scene.ts';
import { IdentityError } from '../errors.ts';
import type { LedgerEvent } from '../ledger/ledger.ts';
import { systemClock } from '../runtime/clock.ts';
import type { WorkloadApiClient } from '../sdk/client.ts';

const web = { spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:0'], owner: 'ada', audiences: ['a'] };

/** Attestation that has begun and waits to be let go. */
function heldUp() {
  const begun = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const attest = (): Promise<void> => {
    begun.resolve();
    return go.promise;
  };
  return { attest, begun: begun.promise, go: () => go.resolve() };
}

describe('a process with two connections', () => {
  it('still hears of every change on the one when the other has ended while it was attested', async () => {
    const { attest, begun, go } = heldUp();
    await using scene = await agentScene({ attest });
    const [entry] = (await scene.registry.createEntries([web])).entries;
    using client = scene.client();
    const withdrawn = Promise.withResolvers<IdentityError>();
    const answers = client.watchX509Context({ onError: (error) => withdrawn.resolve(error) })[Symbol.asyncIterator]();
    const first = answers.next();
    await begun;
    await scene.passerBy();
    go();
    expect((await first).value.svids[0].id).toBe(web.spiffeId);
    const next = answers.next();
    await scene.registry.deleteEntry(entry?.id ?? '');
    expect((await withdrawn.promise).code).toBe('permission-denied');
    client.close();
    await next;
  });

  it('R-RES-1 has what it was granted ended on record, once, and only when it ends', async () => {
    const { attest, begun, go } = heldUp();
    await using scene = await agentScene({ attest });
    await scene.registry.createEntries([web]);
    using client = scene.client();
    const asked = client.fetchX509Context();
    await begun;
    await scene.passerBy();
    go();
    await asked;
    await scene.passerBy();
    const kinds = async (): Promise<string[]> =>
      (await scene.records()).map(({ kind }) => kind).filter((kind) => /^(attestation|instance)/.test(kind));
    expect(await kinds()).toEqual(['attestation.granted']);
    await scene.stop();
    expect(await kinds()).toEqual(['attestation.granted', 'instance.ended']);
  });
});

describe('a caller that has gone while it was attested', () => {
  it('is granted nothing that has no end on record', async () => {
    const { attest, begun, go } = heldUp();
    await using scene = await agentScene({ attest });
    await scene.registry.createEntries([web]);
    using client = scene.client();
    const asked = client.fetchX509Context().catch(() => undefined);
    await begun;
    client.close();
    await asked;
    await scene.passerBy();
    go();
    await scene.passerBy();
    const records = await scene.records();
    const grants = records.filter(({ kind }) => kind === 'attestation.granted');
    const ends = records.filter(({ kind }) => kind === 'instance.ended');
    expect(ends).toHaveLength(grants.length);
    expect(records.filter(({ kind }) => kind === 'x509-svid.issued')).toEqual([]);
  });
});

describe('a credential', () => {
  const asks = {
    'x509-svid.issued': (client: WorkloadApiClient) => client.fetchX509Context(),
    'jwt-svid.issued': (client: WorkloadApiClient) => client.fetchJwtSvids({ audience: 'a' }),
  };
  const cases = Object.entries(asks).map(([kind, ask]) => ({ kind, ask }));

  it.each([...cases, ...cases.map(({ ask }) => ({ kind: 'attestation.granted', ask }))])(
    'R-ISS-4 that is signed and cannot be put on record ($kind) does not leave, and does once it can',
    async (one) => {
      let full = true;
      const recording = async ({ kind }: { kind: string }): Promise<void> => {
        if (full && kind === one.kind)
          throw new IdentityError('resource-exhausted', 'ENOSPC /secret', { reason: 'disk' });
      };
      await using scene = await agentScene({ recording });
      await scene.registry.createEntries([web]);
      using client = scene.client();
      const error: IdentityError = await one.ask(client).then(
        () => expect.unreachable('it left'),
        (refusal: IdentityError) => refusal,
      );
      expect(error.code).toBe('resource-exhausted');
      expect(error.message).not.toContain('secret');
      full = false;
      await one.ask(client);
      expect((await scene.records()).filter(({ kind }) => kind === one.kind)).toHaveLength(1);
    },
  );

  it.each(cases)('R-ISS-4 that is on record ($kind) does not leave when its ground has gone meanwhile', async (one) => {
    const recorded: SceneOptions['recorded'] = async ({ kind }, { registry }) => {
      if (kind === one.kind) await registry.deleteEntry(registry.list()[0]?.id ?? '');
    };
    await using scene = await agentScene({ recorded });
    await scene.registry.createEntries([web]);
    using client = scene.client();
    await expect(one.ask(client)).rejects.toMatchObject({ code: 'permission-denied' });
    expect((await scene.records()).filter(({ kind }) => kind === one.kind)).toHaveLength(1);
  });

  it('R-ISS-4 is not served again when its owner is disabled, nor after the entry was another', async () => {
    await using scene = await agentScene();
    const [entry] = (await scene.registry.createEntries([web])).entries;
    using client = scene.client();
    const token = async (): Promise<string | undefined> => (await client.fetchJwtSvids({ audience: 'a' }))[0]?.token;
    const first = await token();
    expect(await token()).toBe(first);
    await scene.registry.updateEntry(entry?.id ?? '', { description: 'another' });
    const second = await token();
    expect(second).not.toBe(first);
    await scene.registry.setPersonEnabled('ada', false);
    await expect(token()).rejects.toMatchObject({ code: 'permission-denied' });
    await scene.registry.setPersonEnabled('ada', true);
    expect(await token()).toBe(second);
  });
});

describe('an issuer that was stopped between the signature and the answer', () => {
  /** The clock goes on by that much once a record of that kind is on the disk, the first time. */
  function stopped(after: LedgerEvent['kind'], forMs: number) {
    let ahead = 0;
    const clock = { now: () => systemClock.now() + ahead, after: systemClock.after };
    const recorded = async ({ kind }: LedgerEvent): Promise<void> => {
      if (kind === after) ahead = forMs;
    };
    return { clock, recorded };
  }

  it('I4 answers with an X.509-SVID that is valid when it leaves, not with the one that ended meanwhile', async () => {
    const { clock, recorded } = stopped('x509-svid.issued', 700_000);
    await using scene = await agentScene({ clock, recorded });
    await scene.registry.createEntries([web]);
    using client = scene.client();
    const { svids } = await client.fetchX509Context();
    const leaf = new X509Certificate(svids[0]?.certificates[0] ?? '');
    expect(Date.parse(leaf.validTo)).toBeGreaterThan(clock.now());
    expect((await scene.records()).filter(({ kind }) => kind === 'x509-svid.issued')).toHaveLength(2);
  });

  it('I4 answers with a token that is valid when it leaves', async () => {
    const { clock, recorded } = stopped('jwt-svid.issued', 700_000);
    await using scene = await agentScene({ clock, recorded });
    await scene.registry.createEntries([web]);
    using client = scene.client();
    const [svid] = await client.fetchJwtSvids({ audience: 'a' });
    expect(svid?.expiresAt).toBeGreaterThan(clock.now());
  });
});
