import { describe, expect, it } from 'vitest';
import { agentScene } from '../../test/fakes/agent-scene.ts';
import type { IdentityError } from '../errors.ts';

const web = { spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:0'], owner: 'ada' };

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
    await using scene = await agentScene(attest);
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
    await using scene = await agentScene(attest);
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
    await using scene = await agentScene(attest);
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
