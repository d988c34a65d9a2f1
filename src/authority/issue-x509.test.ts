import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { entryOf, trustDomain } from '../../test/fakes/authority.ts';
import { systemRandom } from '../runtime/random.ts';
import { type Signer, softwareSigner } from '../runtime/signer.ts';
import { SpiffeId } from '../spiffe/id.ts';
import { verifyX509Svid } from '../spiffe/x509-svid.ts';
import { parseCertificate } from '../x509/certificate.ts';
import { selfSigned } from './certificate.ts';
import { X509Issuer } from './issue-x509.ts';

const start = Date.parse('2026-11-23T12:00:00.999Z');
const day = 86_400_000;
const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const publicKey = pair().publicKey.export({ type: 'spki', format: 'der' });
const signer = softwareSigner(pair().privateKey);
let certificate: Buffer;

const certificateUntil = (notAfter: number): Promise<Buffer> =>
  selfSigned({ id: 'a', trustDomain, serial: systemRandom.bytes(16), notBefore: start - 10_999, notAfter }, signer);

const issuerOf = (fields: { notAfter?: number; signer?: Signer; certificate?: Buffer } = {}) =>
  new X509Issuer({
    id: 'a',
    trustDomain,
    certificate,
    notAfter: start + day - 999,
    signer,
    ttlSeconds: 3600,
    ...fields,
  });

beforeAll(async () => {
  certificate = await certificateUntil(start + day - 999);
});

describe('X509Issuer', () => {
  it('R-ISS-1 says what the entry says, and takes nothing but the key from elsewhere', async () => {
    const entry = entryOf({ dnsNames: ['web.example.org', 'web'] });
    const issuer = issuerOf();
    const issued = await issuer.sign(issuer.prepare(entry, publicKey, start, systemRandom));
    const leaf = parseCertificate(issued.chain);
    expect(leaf.uris).toEqual([entry.spiffeId]);
    expect(leaf.dnsNames).toEqual(entry.dnsNames);
    expect(leaf.publicKey).toEqual(publicKey);
    expect(new X509Certificate(issued.chain).subject).toBe('CN=web.example.org');
    expect(new X509Certificate(issued.chain).serialNumber.toLowerCase()).toBe(issued.serial);
    expect(issued).toMatchObject({
      authorityId: 'a',
      issuedAt: start,
      notBefore: leaf.notBefore,
      notAfter: leaf.notAfter,
    });
    const bundle = () => [certificate];
    expect(verifyX509Svid([issued.chain], bundle, start)).toBe(entry.spiffeId);
  });

  it('leaves the subject empty where the first DNS name is too long for a common name', async () => {
    const issuer = issuerOf();
    const dnsNames = [`${'a'.repeat(60)}.example.org`];
    const { chain } = await issuer.sign(issuer.prepare(entryOf({ dnsNames }), publicKey, start, systemRandom));
    expect(parseCertificate(chain)).toMatchObject({ subjectEmpty: true, dnsNames });
  });

  it('XC-33 names the key of its authority and its own', async () => {
    const issuer = issuerOf();
    const { chain } = await issuer.sign(issuer.prepare(entryOf(), publicKey, start, systemRandom));
    const leaf = parseCertificate(chain);
    expect(leaf.authorityKeyId).toEqual(parseCertificate(certificate).subjectKeyId);
    expect(leaf.subjectKeyId).toHaveLength(20);
  });

  it('XC-32 gives 10,000 certificates 10,000 positive serials of at most 20 octets and 128 random bits', () => {
    const issuer = issuerOf();
    const serials = Array.from(
      { length: 10_000 },
      () => issuer.prepare(entryOf(), publicKey, start, systemRandom).leaf.serial,
    );
    expect(new Set(serials.map((serial) => serial.toString('hex'))).size).toBe(10_000);
    for (let bit = 0; bit < 128; bit++) {
      const ones = serials.filter((serial) => ((serial[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0).length;
      expect(Math.abs(ones - 5_000), `bit ${bit}`).toBeLessThan(500);
    }
  });

  it('XC-32 writes a serial the way openssl prints it, whatever its first bytes are', async () => {
    for (const first of [0x00, 0x01, 0x7f, 0x80, 0xff]) {
      const issuer = issuerOf();
      const random = { ...systemRandom, bytes: () => Buffer.alloc(16, 0xab).fill(first, 0, 1) };
      const { chain, serial } = await issuer.sign(issuer.prepare(entryOf(), publicKey, start, random));
      expect(serial).toBe(new X509Certificate(chain).serialNumber.toLowerCase());
    }
  });

  it('XC-35 ends with its authority, however long it was asked for', async () => {
    const notAfter = start + 300_001;
    const issuer = issuerOf({ certificate: await certificateUntil(notAfter), notAfter });
    const issued = await issuer.sign(issuer.prepare(entryOf(), publicKey, start, systemRandom));
    expect(issued.notAfter).toBe(notAfter - 0);
    expect(parseCertificate(issued.chain).notAfter).toBe(notAfter);
  });

  it('XC-36 begins ten seconds before it is issued', () => {
    const { leaf } = issuerOf().prepare(entryOf(), publicKey, start, systemRandom);
    expect(leaf.notBefore).toBe(start - 10_999);
  });

  it('takes the life of the entry, or the default; down to 5 s', () => {
    const lifeOf = (x509SvidTtlSeconds: number): number =>
      issuerOf().prepare(entryOf({ x509SvidTtlSeconds }), publicKey, start, systemRandom).leaf.notAfter - start + 999;
    expect(lifeOf(0)).toBe(3_600_000);
    expect(lifeOf(7200)).toBe(7_200_000);
    expect(lifeOf(5)).toBe(5_000);
  });

  it('R-ISS-8 never outlives authority or entry, and is never rounded up, at any moment', () => {
    const issuer = issuerOf();
    fc.assert(
      fc.property(
        fc.integer({ min: start, max: start + day - 2_000 }),
        fc.integer({ min: 5, max: 7 * 86_400 }),
        fc.option(fc.integer({ min: 1_000, max: day }), { nil: undefined }),
        (now, ttl, left) => {
          const expiresAt = left === undefined ? undefined : now + 1_000 + left;
          const entry = entryOf({ x509SvidTtlSeconds: ttl, expiresAt });
          const { leaf } = issuer.prepare(entry, publicKey, now, systemRandom);
          expect(leaf.notAfter % 1000).toBe(0);
          expect(leaf.notAfter).toBeGreaterThan(now);
          expect(leaf.notAfter).toBeLessThanOrEqual(Math.min(now + ttl * 1000, start + day - 999));
          // notAfter is inclusive, the end of an entry is not.
          expect(leaf.notAfter).toBeLessThan(expiresAt ?? Infinity);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('refuses an entry that has expired, and an authority with no life left', () => {
    const issuer = issuerOf();
    expect(() => issuer.prepare(entryOf({ expiresAt: start }), publicKey, start, systemRandom)).toThrow(
      expect.objectContaining({ code: 'permission-denied', reason: 'entry-expired' }),
    );
    expect(() => issuer.prepare(entryOf(), publicKey, start + day, systemRandom)).toThrow(
      expect.objectContaining({ code: 'unavailable', reason: 'no-life-left' }),
    );
  });

  it('refuses a key that is none, and an entry of another trust domain', () => {
    const issuer = issuerOf();
    expect(() => issuer.prepare(entryOf(), Buffer.from('key'), start, systemRandom)).toThrow(
      expect.objectContaining({ code: 'invalid-argument' }),
    );
    for (const id of ['spiffe://example.com/web', 'spiffe://example.org']) {
      const foreign = entryOf({ spiffeId: SpiffeId.parse(id) });
      expect(() => issuer.prepare(foreign, publicKey, start, systemRandom)).toThrow(TypeError);
    }
  });

  it('R-ISS-7 signs only what it prepared, and only once', async () => {
    const issuer = issuerOf();
    const prepared = issuer.prepare(entryOf(), publicKey, start, systemRandom);
    await expect(issuerOf().sign(prepared)).rejects.toThrow(TypeError);
    await issuer.sign(prepared);
    await expect(issuer.sign(prepared)).rejects.toThrow(TypeError);
    await expect(issuer.sign({ ...prepared })).rejects.toThrow(TypeError);
  });

  it('R-ISS-4 releases nothing from a key that does not sign what it is given, for as long as it does not', async () => {
    let honest = false;
    const other = Buffer.from('something else');
    const lying: Signer = { ...signer, sign: (bytes, form) => signer.sign(honest ? bytes : other, form) };
    const issuer = issuerOf({ signer: lying });
    const issue = () => issuer.sign(issuer.prepare(entryOf(), publicKey, start, systemRandom));
    for (let i = 0; i < 3; i++)
      await expect(issue()).rejects.toMatchObject({ code: 'unavailable', reason: 'self-check' });
    honest = true;
    await issue();
    honest = false;
    let released = 0;
    for (; released < 300; released++) {
      const failed = await issue().then(
        () => false,
        () => true,
      );
      if (failed) break;
    }
    expect(released).toBeLessThan(256);
    await expect(issue()).rejects.toMatchObject({ code: 'unavailable', reason: 'self-check' });
  });
});
