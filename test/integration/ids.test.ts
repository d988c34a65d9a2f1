import { describe, expect, it } from 'vitest';
import { issuerAmong, leafOf, readToken } from './documents.ts';
import { first, startMayfly } from './fixture.ts';
import { grpc } from './workload.ts';

describe('trust domain names', () => {
  it.concurrent.each(['10.0.0.1', 'a..b', '-', '_x_', 'prod', 'd'.repeat(255)])(
    'ID-10 ID-19 the trust domain %s works like any other, end to end',
    async (trustDomain) => {
      await using mayfly = await startMayfly({ trustDomain });
      const spiffeId = `spiffe://${trustDomain}/web`;
      await mayfly.operator.create({ spiffeId, selectors: ['unix:uid:10001'], audiences: ['reports'] });
      const workload = await mayfly.workload(10001);
      const svid = first((await workload.x509()).svids);
      expect(svid.spiffeId).toBe(spiffeId);
      expect(leafOf(svid.x509Svid).subjectAltName).toBe(`URI:${spiffeId}`);
      expect(issuerAmong(leafOf(svid.x509Svid), svid.bundle)?.subjectAltName).toBe(`URI:spiffe://${trustDomain}`);
      const token = first(await workload.jwt(['reports'], spiffeId)).svid;
      expect(readToken(token).claims['sub']).toBe(spiffeId);
      expect((await workload.validate('reports', token)).code).toBe(grpc.ok);
      expect([...(await workload.x509Bundles()).bundles.keys()]).toEqual([`spiffe://${trustDomain}`]);
    },
  );

  it.concurrent.each(['d'.repeat(256), 'Prod', 'a:1', 'a/b', 'a%62', ''])(
    'ID-19 the trust domain %s is refused at the start',
    async (trustDomain) => {
      await expect(startMayfly({ trustDomain })).rejects.toThrow(/ended with [1-9]/);
    },
  );
});

describe('the length of an id', () => {
  it('ID-17 ID-18 2048 bytes are issued as X.509 and JWT and validate; 2049 are refused at registration', async () => {
    await using mayfly = await startMayfly();
    const prefix = 'spiffe://example.org/';
    const spiffeId = prefix + 'a'.repeat(2048 - prefix.length);
    const entry = { selectors: ['unix:uid:10001'], audiences: ['reports'] };
    await mayfly.operator.create({ ...entry, spiffeId });
    await expect(mayfly.operator.create({ ...entry, spiffeId: `${spiffeId}a` })).rejects.toMatchObject({
      code: grpc.invalidArgument,
    });
    const workload = await mayfly.workload(10001);
    const svid = first((await workload.x509()).svids);
    expect(svid.spiffeId).toBe(spiffeId);
    expect(leafOf(svid.x509Svid).subjectAltName).toBe(`URI:${spiffeId}`);
    expect(issuerAmong(leafOf(svid.x509Svid), svid.bundle)).toBeDefined();
    const token = first(await workload.jwt(['reports'], spiffeId)).svid;
    expect((await workload.validate('reports', token)).code).toBe(grpc.ok);
  });

  it('ID-16 twenty segments are an ordinary path', async () => {
    await using mayfly = await startMayfly();
    const spiffeId = `spiffe://example.org/${Array.from({ length: 20 }, (_, index) => `s${index}`).join('/')}`;
    await mayfly.operator.create({ spiffeId, selectors: ['unix:uid:10001'] });
    expect(first((await (await mayfly.workload(10001)).x509()).svids).spiffeId).toBe(spiffeId);
  });
});
