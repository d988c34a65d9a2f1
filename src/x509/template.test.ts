import { execFileSync } from 'node:child_process';
import { createHash, generateKeyPairSync, KeyObject, sign, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { extension, type Minted, type MintOptions, mint, mintCa, usage } from '../../test/fakes/minter.ts';
import { hashOf, type KeyType } from '../runtime/signer.ts';
import { parseCertificate } from './certificate.ts';
import { tag } from './der.ts';
import { encode, sequence } from './der-write.ts';
import { oid } from './oid.ts';
import { verifyPath } from './path.ts';
import { encodePem } from './pem.ts';
import { parsePublicKey } from './public-key.ts';
import { type Leaf, LeafTemplate } from './template.ts';

const at = Date.parse('2026-11-23T12:00:00Z');
const spki = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });
const publicKey = spki(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey);
const leaf: Leaf = {
  ...{
    serial: Buffer.from('0102030405060708090a0b0c0d0e0f10', 'hex'),
    notBefore: at - 10_000,
    notAfter: at + 3_600_000,
  },
  ...{ uri: 'spiffe://example.org/web', dnsNames: [], publicKey },
};

interface Authority {
  readonly minted: Minted;
  readonly keyType: KeyType;
  readonly template: LeafTemplate;
}

async function authority(keyType: KeyType = 'ec-p256', options: MintOptions = {}): Promise<Authority> {
  const key = keyType === 'ec-p256' ? 'P-256' : keyType === 'ec-p384' ? 'P-384' : 'RSA';
  const minted = await mintCa('example.org', { key, keyUsage: usage.keyCertSign | usage.cRLSign, ...options });
  return { minted, keyType, template: LeafTemplate.compile({ certificate: minted.der, keyType }) };
}

function issue({ minted, keyType, template }: Authority, changes: Partial<Leaf> = {}): Buffer {
  const tbs = template.toBeSigned({ ...leaf, ...changes });
  return template.certificate(tbs, sign(hashOf(keyType), tbs, KeyObject.from(minted.keys.privateKey)));
}

const ca = await authority();
const directory = mkdtempSync(join(tmpdir(), 'template-'));
afterAll(() => rmSync(directory, { recursive: true }));

function openssl(...words: readonly string[]): string {
  return execFileSync('openssl', words, { cwd: directory, encoding: 'utf8' });
}

describe('a leaf from the template', () => {
  it('XC-01 XC-04 names its URI once, in a critical extension because the subject is empty', async () => {
    const read = parseCertificate(issue(ca));
    expect(read).toMatchObject({ uris: [leaf.uri], dnsNames: [], subjectEmpty: true, sanCritical: true });
  });

  it('XC-02 carries DNS names after the URI', async () => {
    const dnsNames = ['web.example.org', 'web'];
    const der = issue(ca, { dnsNames });
    expect(parseCertificate(der)).toMatchObject({ uris: [leaf.uri], dnsNames });
    expect(new X509Certificate(der).subjectAltName).toBe(`URI:${leaf.uri}, DNS:web.example.org, DNS:web`);
  });

  it('XC-04 has a SAN that is not critical beside a subject', async () => {
    const der = issue(ca, { subjectCommonName: 'wéb' });
    expect(parseCertificate(der)).toMatchObject({ subjectEmpty: false, sanCritical: false });
    expect(new X509Certificate(der).subject).toBe('CN=wéb');
  });

  it('XC-05 XC-06 is no CA and says so in a critical, empty basicConstraints', async () => {
    const der = issue(ca);
    expect(parseCertificate(der)).toMatchObject({
      isCa: false,
      hasBasicConstraints: true,
      basicConstraintsCritical: true,
    });
    expect(der.includes(Buffer.from('0603551d130101ff04023000', 'hex'))).toBe(true);
  });

  it('XC-07 XC-08 XC-09 XC-10 has the critical key usage digitalSignature and no other', async () => {
    const { keyUsage, keyUsageCritical } = parseCertificate(issue(ca));
    expect([[...(keyUsage ?? [])], keyUsageCritical]).toEqual([['digitalSignature'], true]);
  });

  it('XC-11 XC-12 is for TLS servers and clients', async () => {
    expect(parseCertificate(issue(ca)).extendedKeyUsage).toEqual([oid.serverAuth, oid.clientAuth]);
  });

  it('XC-32 carries a positive serial number of at most 20 octets', async () => {
    for (const hex of ['01', '80', 'ff'.repeat(19), '7f'.repeat(20), '000102']) {
      const der = issue(ca, { serial: Buffer.from(hex, 'hex') });
      expect(parseCertificate(der).serial.toString('hex')).toBe(hex.replace(/^(00)+/, ''));
    }
    for (const serial of [Buffer.alloc(0), Buffer.alloc(3), Buffer.alloc(20, 0xff), Buffer.alloc(21, 1)]) {
      expect(() => ca.template.toBeSigned({ ...leaf, serial })).toThrow(TypeError);
    }
  });

  it('XC-33 names its own key and that of its issuer', async () => {
    const read = parseCertificate(issue(ca));
    expect(read.authorityKeyId).toEqual(parseCertificate(ca.minted.der).subjectKeyId);
    expect(read.subjectKeyId).toEqual(createHash('sha1').update(parsePublicKey(publicKey).bits).digest());
  });

  it('XC-34 is of version 3 and switches from UTCTime to GeneralizedTime with the year 2050', async () => {
    const old = await authority('ec-p256', { notAfter: '2060-01-01T00:00:00Z' });
    const notAfter = Date.parse('2049-12-31T23:59:59.999Z');
    const before = issue(old, { notAfter });
    expect(before.includes(encode(tag.utcTime, Buffer.from('491231235959Z')))).toBe(true);
    const after = issue(old, { notAfter: notAfter + 1 });
    expect(after.includes(encode(tag.generalizedTime, Buffer.from('20500101000000Z')))).toBe(true);
    expect(parseCertificate(after)).toMatchObject({ version: 3, notAfter: notAfter + 1 });
    expect(new X509Certificate(after).validToDate.getTime()).toBe(notAfter + 1);
  });

  it('XC-35 is never written to outlive its issuer', async () => {
    const end = Date.parse('2027-01-01T00:00:00Z');
    expect(parseCertificate(issue(ca, { notAfter: end })).notAfter).toBe(end);
    expect(() => ca.template.toBeSigned({ ...leaf, notAfter: end + 1 })).toThrow('would outlive its issuer');
    expect(() => ca.template.toBeSigned({ ...leaf, notAfter: leaf.notBefore - 1 })).toThrow('end before it begins');
  });

  it('begins and ends at whole seconds, never later than asked (R-ISS-8)', () => {
    const moment = fc.integer({ min: Date.parse('1970-01-01T00:00:00Z'), max: at });
    fc.assert(
      fc.property(moment, fc.nat(3_600_000), (notBefore, length) => {
        const tbs = ca.template.toBeSigned({ ...leaf, notBefore, notAfter: notBefore + length });
        const read = parseCertificate(ca.template.certificate(tbs, Buffer.alloc(70)));
        expect(read.notBefore).toBe(notBefore - (notBefore % 1000));
        expect(read.notAfter).toBe(notBefore + length - ((notBefore + length) % 1000));
      }),
    );
  });

  it('ID-17 ID-16 carries an ID of 2048 bytes and twenty segments', async () => {
    const uri = `spiffe://example.org${'/segment'.repeat(20)}/`.padEnd(2048, 'a');
    const der = issue(ca, { uri });
    expect(parseCertificate(der).uris).toEqual([uri]);
    expect(new X509Certificate(der).subjectAltName).toBe(`URI:${uri}`);
  });

  it('comes back field by field, whatever is put in', () => {
    const text = (maxLength: number) => fc.string({ unit: fc.constantFrom(...'abc.-/'), minLength: 1, maxLength });
    const serial = fc.uint8Array({ minLength: 1, maxLength: 19 }).filter((bytes) => bytes.some((byte) => byte !== 0));
    fc.assert(
      fc.property(text(300), fc.array(text(200), { maxLength: 5 }), serial, (uri, dnsNames, bytes) => {
        const tbs = ca.template.toBeSigned({ ...leaf, uri, dnsNames, serial: Buffer.from(bytes) });
        const read = parseCertificate(ca.template.certificate(tbs, Buffer.alloc(70)));
        expect(read).toMatchObject({ tbs, uris: [uri], dnsNames, publicKey, unknownCritical: [] });
        expect(BigInt(`0x${read.serial.toString('hex')}`)).toBe(BigInt(`0x${Buffer.from(bytes).toString('hex')}`));
      }),
    );
  });

  it('XC-30 is not written for a name that the constraints of its issuer exclude', async () => {
    const permitted = encode(0xa0, sequence(encode(0x86, Buffer.from('example.org'))));
    const constraints = extension(oid.nameConstraints, true, sequence(permitted));
    const constrained = await authority('ec-p256', { extensions: [constraints] });
    expect(parseCertificate(issue(constrained)).uris).toEqual([leaf.uri]);
    const outside = { ...leaf, uri: 'spiffe://other.example/web' };
    expect(() => constrained.template.toBeSigned(outside)).toThrow(
      expect.objectContaining({ code: 'failed-precondition', reason: 'issuer-name-constraints' }),
    );
  });

  it('is refused bytes that are no name, no key or no text', () => {
    for (const uri of ['', 'spiffe://a/ü', 'spiffe://a/b\0', 'spiffe://a/b c']) {
      expect(() => ca.template.toBeSigned({ ...leaf, uri })).toThrow(TypeError);
    }
    expect(() => ca.template.toBeSigned({ ...leaf, dnsNames: ['a\n'] })).toThrow(TypeError);
    expect(() => ca.template.toBeSigned({ ...leaf, publicKey: Buffer.alloc(91) })).toThrow('not valid DER');
    expect(() => ca.template.toBeSigned({ ...leaf, subjectCommonName: 'a'.repeat(65) })).toThrow(TypeError);
  });
});

describe('strangers', () => {
  it('XC-37 XC-38 accept leaves of every kind of authority: openssl, node and our own path', async () => {
    for (const keyType of ['ec-p256', 'ec-p384', 'rsa-2048'] as const) {
      const issuer = await authority(keyType);
      const der = issue(issuer, { dnsNames: ['web.example.org'] });
      const judge = new X509Certificate(der);
      const root = new X509Certificate(issuer.minted.der);
      expect(judge.verify(root.publicKey) && judge.checkIssued(root), keyType).toBe(true);
      expect(verifyPath([der], [issuer.minted.der], at)).toHaveLength(2);
      writeFileSync(join(directory, 'ca.pem'), encodePem('CERTIFICATE', issuer.minted.der));
      writeFileSync(join(directory, 'leaf.pem'), encodePem('CERTIFICATE', der));
      for (const purpose of ['sslserver', 'sslclient']) {
        const strict = ['-x509_strict', '-purpose', purpose, '-attime', String(at / 1000)];
        expect(openssl('verify', ...strict, '-CAfile', 'ca.pem', 'leaf.pem'), keyType).toBe('leaf.pem: OK\n');
      }
    }
  });

  it('XC-01 XC-05 XC-07 XC-12 XC-33 read the profile as it was meant', async () => {
    writeFileSync(join(directory, 'leaf.der'), issue(ca, { dnsNames: ['web'] }));
    const text = openssl('x509', '-inform', 'DER', '-in', 'leaf.der', '-noout', '-text')
      .replace(/\s+/g, ' ')
      .replace(' CN = ', ' CN=');
    const hex = (bytes: Buffer | undefined) =>
      (bytes ?? Buffer.of()).toString('hex').toUpperCase().match(/../g)?.join(':');
    expect(text).toContain('Version: 3 (0x2)');
    expect(text).toContain('Signature Algorithm: ecdsa-with-SHA256 Issuer: CN=CA of example.org');
    expect(text).toContain(
      'Not Before: Nov 23 11:59:50 2026 GMT Not After : Nov 23 13:00:00 2026 GMT Subject: Subject Public',
    );
    const { authorityKeyId, subjectKeyId } = parseCertificate(issue(ca));
    expect(text).toContain(
      `X509v3 extensions: X509v3 Key Usage: critical Digital Signature X509v3 Extended Key Usage: TLS Web Server ` +
        `Authentication, TLS Web Client Authentication X509v3 Basic Constraints: critical CA:FALSE ` +
        `X509v3 Authority Key Identifier: ${hex(authorityKeyId)} X509v3 Subject Key Identifier: ${hex(subjectKeyId)} ` +
        `X509v3 Subject Alternative Name: critical URI:spiffe://example.org/web, DNS:web Signature Algorithm`,
    );
  });
});

describe('a template', () => {
  it('is compiled for a signing certificate only, and for its own kind of key', async () => {
    const compile = (certificate: Buffer, keyType: KeyType = 'ec-p256') =>
      LeafTemplate.compile({ certificate, keyType });
    expect(() => compile(ca.minted.der, 'ec-p384')).toThrow('not that of the issuer');
    expect(() => compile(ca.minted.der, 'rsa-2048')).toThrow('not that of the issuer');
    const notCa = await mint({ keyUsage: usage.keyCertSign });
    const noSign = await mintCa('example.org', { keyUsage: usage.cRLSign });
    for (const { der } of [notCa, noSign]) expect(() => compile(der)).toThrow('not a signing certificate');
    const nameless = await mintCa('example.org', { issuer: ca.minted, subject: '' });
    const withoutIds = await mintCa('example.org', { withoutKeyIds: true });
    for (const { der } of [nameless, withoutIds]) expect(() => compile(der)).toThrow('no key identifier or no name');
  });
});
