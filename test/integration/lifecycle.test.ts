import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { issuerAmong, leafOf } from './documents.ts';
import { first, startMayfly } from './fixture.ts';
import { rawCall } from './raw-http2.ts';
import { grpc } from './workload.ts';

const entry = { spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:10001'], audiences: ['reports'] };

describe('starting', () => {
  it('EP-21 a call during start-up is answered or told Unavailable, and never hangs', async () => {
    await using mayfly = await startMayfly({ impatient: true });
    const late = performance.now() + 15_000;
    const outcomes = new Set<string>();
    for (let served = 0; served < 5 && performance.now() < late; ) {
      const answer = await rawCall(mayfly.socket, { path: '/SpiffeWorkloadAPI/FetchX509SVID' }, 3_000);
      expect(answer.failure ?? '').not.toContain('no answer within');
      outcomes.add(answer.grpcStatus === undefined ? 'not listening' : String(answer.grpcStatus));
      if (answer.grpcStatus === grpc.permissionDenied) served++;
    }
    expect(outcomes).toContain(String(grpc.permissionDenied));
    outcomes.delete('not listening');
    expect([...outcomes].every((status) => [grpc.permissionDenied, grpc.unavailable].includes(Number(status)))).toBe(
      true,
    );
  });
});

describe('stopping', () => {
  it('WA-16 EP-21 open streams end with Unavailable, and the process ends by itself with 0', async () => {
    await using mayfly = await startMayfly();
    await mayfly.operator.create(entry);
    const workload = await mayfly.workload(10001);
    const streams = (['FetchX509SVID', 'FetchX509Bundles', 'FetchJWTBundles'] as const).map((name) =>
      workload.open(name),
    );
    await Promise.all(streams.map((stream) => stream.next()));
    const code = mayfly.stop();
    for (const stream of streams) expect((await stream.ended()).code).toBe(grpc.unavailable);
    expect(await code).toBe(0);
    expect(existsSync(mayfly.socket)).toBe(false);
  });

  it('WA-16 SIGINT is as good as SIGTERM', async () => {
    await using mayfly = await startMayfly();
    expect(await mayfly.stop('SIGINT')).toBe(0);
  });

  it('WA-31 SE-15 after a restart the order, the roots and the keys are the same, and what was signed still verifies', async () => {
    await using before = await startMayfly();
    const names = ['c', 'a', 'b'].map((name) => `spiffe://example.org/${name}`);
    for (const spiffeId of names) await before.operator.create({ ...entry, spiffeId });
    const workload = await before.workload(10001);
    const [old, token] = [await workload.x509(), first(await workload.jwt(['reports'])).svid];
    await before.stop('SIGKILL');
    await using after = await startMayfly({ directory: before.directory });
    const again = await after.workload(10001);
    const { svids } = await again.x509();
    expect(old.svids.map((svid) => svid.spiffeId)).toEqual(names);
    expect(svids.map((svid) => svid.spiffeId)).toEqual(names);
    expect(issuerAmong(leafOf(first(old.svids).x509Svid), first(svids).bundle)).toBeDefined();
    expect((await again.validate('reports', token)).code).toBe(grpc.ok);
    expect(await after.operator.verifyLedger()).toMatchObject({ ok: true });
  });
});
