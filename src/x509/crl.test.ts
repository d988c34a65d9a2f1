import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import 'reflect-metadata';
import { X509Crl } from '@peculiar/x509';
import { describe, expect, it } from 'vitest';
import { selfSigned } from '../authority/certificate.ts';
import { IdentityError } from '../errors.ts';
import { generateKey, type KeyType, softwareSigner } from '../runtime/signer.ts';
import { TrustDomain } from '../spiffe/id.ts';
import { parseCertificate } from './certificate.ts';
import { type CrlContent, crlToBeSigned, parseCrl, reasons, signedCrl } from './crl.ts';
import { booleanTrue, explicit, octetString, sequence, unsignedInteger } from './der-write.ts';
import { encodeOid } from './oid.ts';
import { isSignedBy, signatureAlgorithmOf } from './signature.ts';
import { encodeTime } from './time.ts';

const now = Date.UTC(2026, 10, 26, 7);

async function made(keyType: KeyType, revoked: CrlContent['revoked'], number = 7n) {
  const signer = softwareSigner(await generateKey(keyType));
  const life = { notBefore: now - 10_000, notAfter: now + 86_400_000 };
  const named = { id: 'ab'.repeat(16), trustDomain: TrustDomain.parse('example.org'), serial: Buffer.of(1) };
  const certificate = await selfSigned({ ...named, ...life }, signer);
  const { subject, subjectKeyId = Buffer.alloc(0) } = parseCertificate(certificate);
  const algorithm = signatureAlgorithmOf(keyType);
  const content = { issuer: subject, keyId: subjectKeyId, algorithm, number, revoked };
  const tbs = crlToBeSigned({ ...content, thisUpdate: now, nextUpdate: now + 3_600_000 });
  return { certificate, crl: signedCrl(tbs, algorithm, await signer.sign(tbs, 'der')) };
}

const one = { serial: 'ff00000000000000000000000000000a', at: now - 5_000, reason: 'keyCompromise' } as const;
const another = { serial: '1a', at: now - 4_000, reason: 'unspecified' } as const;

describe('a revocation list', () => {
  it.each(['ec-p256', 'ec-p384', 'rsa-2048'] as const)('of %s is read back as it was written', async (keyType) => {
    const { certificate, crl } = await made(keyType, [one, another]);
    const parsed = parseCrl(crl);
    expect(parsed).toMatchObject({ thisUpdate: now, nextUpdate: now + 3_600_000 });
    expect([...parsed.revoked]).toEqual([one.serial, another.serial]);
    expect(parsed.issuer).toEqual(parseCertificate(certificate).subject);
    expect(isSignedBy(parsed, parseCertificate(certificate))).toBe(true);
    expect(isSignedBy(parsed, parseCertificate((await made(keyType, [])).certificate))).toBe(false);
  });

  it.each(Object.entries(reasons))('says %s to openssl', async (reason, code) => {
    const { crl } = await made('ec-p256', [{ ...one, reason: reason as keyof typeof reasons }]);
    const text = openssl(['crl', '-inform', 'DER', '-noout', '-text'], { 'stdin.der': crl });
    expect(text).toContain('Serial Number: FF00000000000000000000000000000A');
    expect(text.includes('CRL Reason Code')).toBe(code !== 0);
    expect(text).toMatch(/X509v3 CRL Number:\s+7/);
  });

  it.each([[[]], [[one]]])('openssl verifies its signature by the authority: %j', async (revoked) => {
    const { certificate, crl } = await made('ec-p256', revoked);
    const text = openssl(['crl', '-inform', 'DER', '-noout', '-CAfile', 'ca.pem', '-verify'], {
      'stdin.der': crl,
      'ca.pem': `-----BEGIN CERTIFICATE-----\n${certificate.toString('base64')}\n-----END CERTIFICATE-----\n`,
    });
    expect(text).toContain('verify OK');
  });

  it('is the same to @peculiar/x509', async () => {
    const { crl } = await made('ec-p256', [one, another]);
    const read = new X509Crl(crl);
    expect(read.entries.map(({ serialNumber }) => serialNumber.toLowerCase())).toEqual([one.serial, another.serial]);
    expect(read.nextUpdate?.getTime()).toBe(now + 3_600_000);
  });

  it('refuses or reads it with any one byte changed, and never as another list with a good signature (R-ISS-3)', async () => {
    const { certificate, crl } = await made('ec-p256', [one]);
    const authority = parseCertificate(certificate);
    for (let at = 0; at < crl.length; at++) {
      const broken = Buffer.from(crl);
      broken[at] = (broken[at] ?? 0) ^ 1;
      try {
        expect(isSignedBy(parseCrl(broken), authority), `byte ${at}`).toBe(false);
      } catch (error) {
        expect(error).toBeInstanceOf(IdentityError);
      }
    }
  });

  it('refuses a critical extension: a delta list, say, means something else', () => {
    const algorithm = signatureAlgorithmOf('ec-p256');
    const listOf = (critical: readonly Buffer[]): Buffer => {
      const delta = sequence(encodeOid('2.5.29.27'), ...critical, octetString(unsignedInteger(Buffer.of(1))));
      const times = [encodeTime(now), encodeTime(now + 1_000)];
      const tbs = sequence(
        unsignedInteger(Buffer.of(1)),
        algorithm,
        sequence(),
        ...times,
        explicit(0, sequence(delta)),
      );
      return signedCrl(tbs, algorithm, Buffer.alloc(64));
    };
    expect(parseCrl(listOf([])).revoked.size).toBe(0);
    expect(() => parseCrl(listOf([booleanTrue]))).toThrow(/critical extension/);
  });
});

function openssl(words: readonly string[], files: Readonly<Record<string, Buffer | string>>): string {
  const directory = mkdtempSync(join(tmpdir(), 'mayfly-crl-'));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
    const shell = `openssl ${words.join(' ')} -in stdin.der 2>&1`;
    return execFileSync('sh', ['-c', shell], { cwd: directory, encoding: 'utf8' });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
