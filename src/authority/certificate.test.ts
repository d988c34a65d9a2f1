import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { entryOf } from '../../test/fakes/authority.ts';
import { systemRandom } from '../runtime/random.ts';
import { generateKey, type KeyType, type Signer, softwareSigner } from '../runtime/signer.ts';
import { TrustDomain } from '../spiffe/id.ts';
import { parseCertificate } from '../x509/certificate.ts';
import { encodePem } from '../x509/pem.ts';
import { selfSigned } from './certificate.ts';
import { X509Issuer } from './issue-x509.ts';

const root = mkdtempSync(join(tmpdir(), 'mayfly-ca-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const trustDomain = TrustDomain.parse('example.org');
const start = Date.parse('2026-11-23T12:00:00Z');
const request = (fields = {}) => ({
  id: 'a'.repeat(32),
  trustDomain,
  serial: systemRandom.bytes(16),
  notBefore: start - 10_000,
  notAfter: start + 86_400_000,
  ...fields,
});
const signerOf = async (keyType: KeyType): Promise<Signer> => softwareSigner(await generateKey(keyType));
const made = async (fields = {}) => parseCertificate(await selfSigned(request(fields), await signerOf('ec-p256')));

describe('selfSigned', () => {
  it('ID-24 ID-25 ID-26 XC-16 XC-17 XC-18 is an SVID of the trust domain itself: one URI, without a path', async () => {
    const { uris, subjectAltNames } = await made();
    expect(uris).toEqual(['spiffe://example.org']);
    expect(subjectAltNames).toHaveLength(1);
  });

  it('XC-13 XC-14 XC-15 may sign certificates and CRLs and nothing else', async () => {
    const { isCa, basicConstraintsCritical, keyUsage, keyUsageCritical, pathLength, extendedKeyUsage } = await made();
    expect({ isCa, basicConstraintsCritical, keyUsageCritical }).toEqual({
      isCa: true,
      basicConstraintsCritical: true,
      keyUsageCritical: true,
    });
    expect([...(keyUsage ?? [])]).toEqual(['keyCertSign', 'cRLSign']);
    expect(pathLength).toBeUndefined();
    expect(extendedKeyUsage).toBeUndefined();
  });

  it('XC-33 XC-36 names its own key, begins earlier for clocks that are behind, and carries its id in its name', async () => {
    const certificate = await made();
    expect(certificate.subjectKeyId).toHaveLength(20);
    expect(certificate.authorityKeyId).toEqual(certificate.subjectKeyId);
    expect(certificate.notBefore).toBe(start - 10_000);
    expect(certificate.subject).toEqual(certificate.issuer);
    const name = new X509Certificate(certificate.der).subject;
    expect(name.split('\n')).toEqual(['O=SPIFFE', 'CN=mayfly', `serialNumber=${'a'.repeat(32)}`]);
  });

  it('XC-34 writes times after 2049 as GeneralizedTime', async () => {
    const notAfter = Date.parse('2055-01-01T00:00:00Z');
    const certificate = await made({ notAfter });
    expect(certificate.notAfter).toBe(notAfter);
    expect(certificate.tbs.includes('20550101000000Z')).toBe(true);
    expect(certificate.tbs.includes('261123115950Z')).toBe(true);
  });

  it.each<KeyType>(['ec-p256', 'ec-p384', 'rsa-2048', 'rsa-4096'])(
    'XC-37 with a key of type %s is accepted by openssl, strictly, and so is a leaf below it',
    async (keyType) => {
      const signer = await signerOf(keyType);
      const certificate = await selfSigned(request(), signer);
      const notAfter = request().notAfter;
      const issuer = new X509Issuer({ id: 'a', trustDomain, certificate, notAfter, signer, ttlSeconds: 3600 });
      const leafKey = await signerOf('ec-p256');
      const entry = entryOf({ dnsNames: ['web.example.org'] });
      const { chain } = await issuer.sign(issuer.prepare(entry, leafKey.publicKey, start, systemRandom));
      const [ca, leaf] = [join(root, `${keyType}-ca.pem`), join(root, `${keyType}-leaf.pem`)];
      writeFileSync(ca, encodePem('CERTIFICATE', certificate));
      writeFileSync(leaf, encodePem('CERTIFICATE', chain));
      const verify = (file: string, ...more: string[]) =>
        execFileSync('openssl', [
          'verify',
          '-x509_strict',
          '-check_ss_sig',
          '-attime',
          `${start / 1000}`,
          '-CAfile',
          ca,
          ...more,
          file,
        ]);
      expect(verify(ca).toString()).toContain('OK');
      expect(verify(leaf, '-purpose', 'sslserver').toString()).toContain('OK');
      expect(verify(leaf, '-purpose', 'sslclient').toString()).toContain('OK');
    },
  );

  it('R-KEY-1 is not released when the key behind the signer is another one', async () => {
    const [one, two] = [await signerOf('ec-p256'), await signerOf('ec-p256')];
    const lying: Signer = { ...one, publicKey: two.publicKey };
    await expect(selfSigned(request(), lying)).rejects.toMatchObject({
      code: 'unavailable',
      reason: 'authority-self-check',
    });
  });
});
