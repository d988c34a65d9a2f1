import 'reflect-metadata';
import { createPrivateKey, createPublicKey, randomBytes, sign, verify } from 'node:crypto';
import { X509Certificate as PeculiarCertificate, X509Crl } from '@peculiar/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { certificates, issuerAmong, leafOf } from './documents.ts';
import { first, type Mayfly, startMayfly } from './fixture.ts';
import { decodeValidateResponse, decodeX509BundlesResponse, type X509SvidResponse } from './wire.ts';
import { granted, grpc, type Workload } from './workload.ts';

const id = (name: string): string => `spiffe://example.org/${name}`;
const names = ['first', 'second', 'third'].map(id);

let mayfly: Mayfly;
let three: Workload;
let answer: X509SvidResponse;

beforeAll(async () => {
  mayfly = await startMayfly();
  for (const spiffeId of names)
    await mayfly.operator.create({ spiffeId, selectors: ['unix:uid:10001'], audiences: ['reports'] });
  await mayfly.operator.create({
    spiffeId: id('federated'),
    selectors: ['unix:uid:10002'],
    federatesWith: ['other.org'],
    dnsNames: ['web.example.org'],
  });
  three = await mayfly.workload(10001);
  answer = await three.x509();
});
afterAll(() => mayfly[Symbol.asyncDispose]());

/** DER, as a library of others reads it. */
const issuersOf = (crls: readonly Buffer[]): string[] => crls.map((crl) => new X509Crl(crl).issuer);
const subjectsOf = (bundle: Buffer): string[] =>
  certificates(bundle).map((root) => new PeculiarCertificate(root.raw).subject);

describe('FetchX509SVID', () => {
  it('WA-01 XR-01 answers, and the stream stays open after the first message', async () => {
    const stream = three.open('FetchX509SVID');
    await stream.next();
    await expect(stream.ended(700)).rejects.toThrow('no status');
    stream.cancel();
    expect((await stream.ended()).code).toBe(grpc.cancelled);
  });

  it('XR-02 three entries match: three SVIDs, one for each', () => {
    expect(answer.svids.map((svid) => svid.spiffeId)).toEqual(names);
  });

  it('WA-22 every mandatory field is set in every SVID', () => {
    for (const { spiffeId, x509Svid, x509SvidKey, bundle } of answer.svids) {
      expect([spiffeId.length, x509Svid.length, x509SvidKey.length, bundle.length]).not.toContain(0);
    }
  });

  it('WA-22 and in every other response: a bundle has its trust domain and its authorities, a token its id, claims their subject', async () => {
    const [web] = await three.jwt(['reports']);
    expect(web?.spiffeId).toBe(names[0]);
    const validated = decodeValidateResponse(granted(await three.validate('reports', web?.svid ?? '')));
    expect([validated.spiffeId, validated.claims['sub']]).toEqual([names[0], names[0]]);
    for (const { bundles } of [await three.x509Bundles(), await three.jwtBundles()]) {
      expect([...bundles.keys()]).toEqual(['spiffe://example.org']);
      for (const value of bundles.values()) expect(value.length).toBeGreaterThan(10);
    }
  });

  it('XR-03 the id is the one URI name of the leaf', () => {
    for (const { spiffeId, x509Svid } of answer.svids) {
      expect(leafOf(x509Svid).subjectAltName).toBe(`URI:${spiffeId}`);
    }
  });

  it('XR-04 XR-05 the chain is concatenated DER, the leaf first, and PEM is nowhere', () => {
    for (const { x509Svid, x509SvidKey, bundle } of answer.svids) {
      for (const bytes of [x509Svid, x509SvidKey, bundle]) {
        expect(bytes[0]).toBe(0x30);
        expect(bytes.includes('-----BEGIN')).toBe(false);
      }
      expect(certificates(x509Svid).map((certificate) => certificate.ca)[0]).toBe(false);
    }
  });

  it('XR-07 the root is not repeated in the chain', () => {
    for (const { x509Svid } of answer.svids) {
      for (const certificate of certificates(x509Svid)) expect(certificate.checkIssued(certificate)).toBe(false);
    }
  });

  it('XR-08 the key is PKCS#8 DER without a passphrase', () => {
    for (const { x509SvidKey } of answer.svids) {
      const key = createPrivateKey({ key: x509SvidKey, format: 'der', type: 'pkcs8' });
      expect(key.asymmetricKeyDetails).toMatchObject({ namedCurve: 'prime256v1' });
    }
  });

  it('XR-09 the key is the leaf’s', () => {
    for (const { x509Svid, x509SvidKey } of answer.svids) {
      const bytes = randomBytes(32);
      const signature = sign('sha256', bytes, { key: x509SvidKey, format: 'der', type: 'pkcs8' });
      expect(verify('sha256', bytes, leafOf(x509Svid).publicKey, signature)).toBe(true);
    }
  });

  it('XR-10 the bundle holds the roots of the trust domain, and the leaf is signed by one of them', () => {
    for (const { x509Svid, bundle } of answer.svids) {
      expect(issuerAmong(leafOf(x509Svid), bundle)).toBeDefined();
      for (const root of certificates(bundle)) {
        expect(root.ca).toBe(true);
        expect(root.subjectAltName).toBe('URI:spiffe://example.org');
      }
    }
  });

  it('SE-13 each identity has a key of its own, and so has each process', async () => {
    const other = await (await mayfly.workload(10001)).x509();
    const all = [...answer.svids, ...other.svids];
    const keys = all.map(({ x509SvidKey }) =>
      createPublicKey({ key: x509SvidKey, format: 'der', type: 'pkcs8' } as never),
    );
    expect(new Set(keys.map((key) => key.export({ type: 'spki', format: 'pem' }))).size).toBe(all.length);
    expect(new Set(all.map(({ x509Svid }) => leafOf(x509Svid).serialNumber)).size).toBe(all.length);
  });

  it('WA-31 the order is stable: over calls, connections and processes', async () => {
    const again = await mayfly.workload(10001);
    for (const workload of [three, again, three, again]) {
      expect((await workload.x509()).svids.map((svid) => svid.spiffeId)).toEqual(names);
    }
  });

  it('XR-12 XR-25 XR-26 a federated trust domain whose bundle is unknown is left out, never sent empty', async () => {
    const federated = await (await mayfly.workload(10002)).x509();
    expect(federated.federatedBundles.size).toBe(0);
    expect(answer.federatedBundles.size).toBe(0);
  });

  it('XC-02 XR-03 a DNS name of the entry stands beside the one URI name', async () => {
    const { svids } = await (await mayfly.workload(10002)).x509();
    const names = leafOf(first(svids).x509Svid).subjectAltName?.split(', ').toSorted();
    expect(names).toEqual(['DNS:web.example.org', `URI:${id('federated')}`]);
  });

  it('XR-14 one CRL in DER is sent for each authority in the bundle', () => {
    expect(issuersOf(answer.crl)).toEqual(subjectsOf(first(answer.svids).bundle));
  });
});

describe('FetchX509Bundles', () => {
  it('WA-01 XR-20 streams, and holds the trust domain’s own roots', async () => {
    const stream = three.open('FetchX509Bundles');
    const { bundles } = decodeX509BundlesResponse(await stream.next());
    expect(bundles.get('spiffe://example.org')).toEqual(first(answer.svids).bundle);
    await expect(stream.ended(500)).rejects.toThrow('no status');
    stream.cancel();
  });

  it('XR-13 its keys are the ids of trust domains, with no slash at the end', async () => {
    const { bundles } = await three.x509Bundles();
    expect([...bundles.keys()]).toEqual(['spiffe://example.org']);
  });

  it('XR-05 XR-14 its values are DER, never empty', async () => {
    const answer = decodeX509BundlesResponse(granted(await three.call('FetchX509Bundles')));
    for (const value of answer.bundles.values()) expect(certificates(value).length).toBeGreaterThan(0);
    expect(issuersOf(answer.crl)).toEqual([...answer.bundles.values()].flatMap(subjectsOf));
  });
});
