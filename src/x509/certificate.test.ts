import { generateKeyPairSync, type KeyObject, sign, X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mint, mintCa, purpose, usage } from '../../test/fakes/minter.ts';
import { IdentityError } from '../errors.ts';
import { type Certificate, parseCertificate, splitCertificates } from './certificate.ts';
import { tag } from './der.ts';
import {
  bitString,
  booleanTrue,
  encode,
  explicit,
  implicit,
  octetString,
  sequence,
  unsignedInteger,
} from './der-write.ts';
import { encodeOid, oid } from './oid.ts';
import type { CertificateReason } from './refusal.ts';
import { encodeTime } from './time.ts';

const spki = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });
const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const name = (text: string): Buffer =>
  sequence(encode(tag.set, sequence(encodeOid(oid.commonName), encode(tag.utf8String, Buffer.from(text)))));
const algorithm = sequence(encodeOid(oid.ecdsaWithSha256));
const extension = (id: string, value: Buffer, critical: Buffer = Buffer.alloc(0)): Buffer =>
  sequence(encodeOid(id), critical, octetString(value));
const names = (...generalNames: Buffer[]): Buffer => extension(oid.subjectAltName, sequence(...generalNames));
const uri = (text: string | Buffer): Buffer => implicit(6, Buffer.from(text));
const digitalSignature = extension(oid.keyUsage, bitString(Buffer.of(0x80), 7), booleanTrue);

interface Parts {
  readonly version: Buffer;
  readonly serial: Buffer;
  readonly signature: Buffer;
  readonly issuer: Buffer;
  readonly validity: Buffer;
  readonly subject: Buffer;
  readonly publicKey: Buffer;
  readonly extensions: readonly Buffer[] | undefined;
  readonly after: Buffer;
  readonly outerAlgorithm: Buffer;
}

/** The parts of a good certificate, each of which a test may replace. */
const parts: Parts = {
  version: explicit(0, unsignedInteger(Buffer.of(2))),
  serial: unsignedInteger(Buffer.of(0x7f)),
  signature: algorithm,
  issuer: name('issuer'),
  validity: sequence(encodeTime(Date.UTC(2026, 0)), encodeTime(Date.UTC(2055, 0))),
  subject: name('subject'),
  publicKey: spki(keys.publicKey),
  extensions: [digitalSignature, names(uri('spiffe://example.org/web'))],
  after: Buffer.alloc(0),
  outerAlgorithm: algorithm,
};

function build(changes: Partial<Parts> = {}): Buffer {
  const { extensions, after, outerAlgorithm, ...rest } = { ...parts, ...changes };
  const wrapped = extensions === undefined ? Buffer.alloc(0) : explicit(3, sequence(...extensions));
  const tbs = sequence(...Object.values(rest), wrapped, after);
  return sequence(tbs, outerAlgorithm, bitString(sign('sha256', tbs, keys.privateKey)));
}

const withExtension = (...added: Buffer[]): Buffer => build({ extensions: [digitalSignature, ...added] });

function expectRefused(der: Buffer, reason: CertificateReason, message = ''): void {
  expect(() => parseCertificate(der), message).toThrow(
    expect.objectContaining({ code: 'invalid-argument', reason, message: expect.stringContaining(message) }),
  );
}

describe('a certificate', () => {
  it('is read as node reads it', async () => {
    const ca = await mintCa('example.org', { ca: { pathLength: 1 }, keyUsage: usage.keyCertSign | usage.cRLSign });
    const uris = ['spiffe://example.org/web'];
    const leaf = await mint({
      ...{ issuer: ca, uris, dnsNames: ['web.example.org'], purposes: [purpose.server, purpose.client] },
      ...{ sanCritical: true, serial: '00ff', notAfter: '2055-06-01T00:00:00Z' },
    });
    const [read, judge] = [parseCertificate(leaf.der), new X509Certificate(leaf.der)];
    expect(read.serial.toString('hex').toUpperCase()).toBe(judge.serialNumber);
    expect([read.notBefore, read.notAfter]).toEqual([judge.validFromDate.getTime(), judge.validToDate.getTime()]);
    expect(read.publicKey).toEqual(judge.publicKey.export({ type: 'spki', format: 'der' }));
    expect(judge.subjectAltName).toBe(`URI:${read.uris[0]}, DNS:${read.dnsNames[0]}`);
    expect(read.extendedKeyUsage).toEqual(judge.keyUsage);
    expect(read).toMatchObject({ version: 3, isCa: false, hasBasicConstraints: true, sanCritical: true });
    expect([...(read.keyUsage ?? [])]).toEqual(['digitalSignature']);
    const above = parseCertificate(ca.der);
    expect(read.issuer).toEqual(above.subject);
    expect(read.authorityKeyId).toEqual(above.subjectKeyId);
    expect(above).toMatchObject({ isCa: true, pathLength: 1, keyUsageCritical: true, keyType: 'ec-p256' });
    expect([...(above.keyUsage ?? [])]).toEqual(['keyCertSign', 'cRLSign']);
  });

  it('is accepted as this test builds it, with and without extensions', () => {
    expect(parseCertificate(build())).toMatchObject({ uris: ['spiffe://example.org/web'], keyType: 'ec-p256' });
    const bare = parseCertificate(build({ extensions: undefined }));
    expect(bare).toMatchObject({ uris: [], keyUsage: undefined, hasBasicConstraints: false, unknownCritical: [] });
  });

  it('XC-34 is of version 3', () => {
    const versions = [
      Buffer.alloc(0),
      explicit(0, unsignedInteger(Buffer.of(1))),
      explicit(0, unsignedInteger(Buffer.of(3))),
    ];
    for (const version of versions) expectRefused(build({ version }), 'certificate-version');
  });

  it('XC-32 has a positive serial number of at most 20 octets', () => {
    const twenty: Buffer = Buffer.alloc(20, 0x7f);
    expect(parseCertificate(build({ serial: unsignedInteger(twenty) })).serial).toEqual(twenty);
    expect(parseCertificate(build({ serial: unsignedInteger(Buffer.of(0xff)) })).serial).toEqual(Buffer.of(0xff));
    for (const content of [Buffer.of(0), Buffer.of(0x80), Buffer.alloc(21, 0x7f)]) {
      expectRefused(build({ serial: encode(tag.integer, content) }), 'certificate-serial');
    }
  });

  it('names one signature algorithm, inside and outside', () => {
    const outerAlgorithm = sequence(encodeOid(oid.ecdsaWithSha384));
    expectRefused(build({ outerAlgorithm }), 'certificate-algorithm');
  });

  it('has an issuer with a name, and times in order', () => {
    expectRefused(build({ issuer: sequence() }), 'certificate-name', 'its issuer has no name');
    const backwards = sequence(encodeTime(Date.UTC(2027, 0)), encodeTime(Date.UTC(2026, 0)));
    expectRefused(build({ validity: backwards }), 'certificate-validity');
  });

  it('has nothing after its end, nor unique identifiers inside', () => {
    expectRefused(Buffer.concat([build(), Buffer.of(0)]), 'der', 'bytes follow the end');
    expectRefused(build({ after: implicit(1, Buffer.of(0, 1)) }), 'der');
    expectRefused(build({ extensions: undefined, after: implicit(1, Buffer.of(0, 1)) }), 'der');
    expectRefused(build().subarray(0, -1), 'der', 'longer than what holds it');
  });

  it('has every extension once', () => {
    const twice = withExtension(names(uri('spiffe://a/b')), names(uri('spiffe://a/c')));
    expectRefused(twice, 'certificate-extension', 'an extension is there twice');
    expectRefused(build({ extensions: [] }), 'certificate-extension', 'its list of extensions is empty');
  });

  it('has no key identifier that is critical (RFC 5280 sections 4.2.1.1 and 4.2.1.2)', () => {
    for (const [id, value] of [
      [oid.subjectKeyIdentifier, octetString(Buffer.alloc(20, 1))],
      [oid.authorityKeyIdentifier, sequence(implicit(0, Buffer.alloc(20, 1)))],
    ] as const) {
      expect(() => parseCertificate(withExtension(extension(id, value)))).not.toThrow();
      expectRefused(withExtension(extension(id, value, booleanTrue)), 'certificate-extension', 'key identifier');
    }
  });

  it('writes no default value out', () => {
    const no = Buffer.of(tag.boolean, 1, 0);
    expectRefused(withExtension(extension('1.2.3', sequence(), no)), 'certificate-extension', 'default value');
    expectRefused(
      withExtension(extension(oid.basicConstraints, sequence(no))),
      'certificate-extension',
      'default value',
    );
  });

  it('limits a path only where it is a CA', () => {
    const limit = unsignedInteger(Buffer.of(1));
    expectRefused(withExtension(extension(oid.basicConstraints, sequence(limit))), 'certificate-extension', 'is no CA');
    const ca = parseCertificate(withExtension(extension(oid.basicConstraints, sequence(booleanTrue, limit))));
    expect(ca).toMatchObject({ isCa: true, pathLength: 1 });
  });

  it('has a key usage in the one form of a named bit list', () => {
    const usageOf = (bits: Buffer, unused: number): Buffer =>
      build({ extensions: [extension(oid.keyUsage, bitString(bits, unused))] });
    const all = parseCertificate(usageOf(Buffer.of(0xff, 0x80), 7)).keyUsage;
    expect(all?.size).toBe(9);
    expect(all?.has('decipherOnly')).toBe(true);
    for (const [bits, unused] of [
      [Buffer.alloc(0), 0],
      [Buffer.of(0), 0],
      [Buffer.of(0x80), 0],
      [Buffer.of(0xff, 0xc0), 6],
    ] as const) {
      expectRefused(usageOf(bits, unused), 'certificate-extension', 'its key usage');
    }
  });

  it('has no empty lists (R-PARSE-1)', () => {
    for (const id of [oid.subjectAltName, oid.extendedKeyUsage, oid.nameConstraints]) {
      expectRefused(withExtension(extension(id, sequence())), 'certificate-extension', 'empty');
    }
    expectRefused(withExtension(extension(oid.nameConstraints, sequence(encode(0xa0)))), 'certificate-extension');
  });

  it('has names of printable ASCII, read from DER and never from joined text (R-X509-1)', () => {
    for (const text of ['spiffe://a/b\0', 'spiffe://a/b\n', 'spiffe://a/ b', 'spiffe://a/ü', '\x7f']) {
      expectRefused(withExtension(names(uri(Buffer.from(text, 'latin1')))), 'certificate-name', 'not printable ASCII');
    }
    expectRefused(withExtension(names(implicit(2, Buffer.from('a\0b')))), 'certificate-name');
    const comma = 'spiffe://a/b,URI:spiffe://c/d';
    expect(parseCertificate(withExtension(names(uri(comma)))).uris).toEqual([comma]);
    expectRefused(withExtension(names(implicit(9, Buffer.of(1)))), 'certificate-extension', 'unknown form');
  });

  it('has alternative names that are what they say, whatever their form: others read them too', () => {
    const email = (text: string): Buffer => implicit(1, Buffer.from(text));
    const good = [
      ...[email('a@b'), implicit(7, Buffer.alloc(16)), explicit(4, name('x')), implicit(8, Buffer.of(0x2a, 3))],
      encode(0xa0, encodeOid('1.2.3'), explicit(0, unsignedInteger(Buffer.of(1)))),
    ];
    for (const one of good) expect(() => parseCertificate(withExtension(names(one)))).not.toThrow();
    const bad = [
      ...[email('ä@b'), implicit(7, Buffer.alloc(5)), implicit(7, Buffer.alloc(8)), implicit(8, Buffer.of(0x80, 1))],
      ...[explicit(4, unsignedInteger(Buffer.of(1))), encode(0xa0, unsignedInteger(Buffer.of(1))), encode(0xa3)],
      ...[encode(0xa0, encodeOid('1.2.3')), encode(0xa5, sequence()), implicit(8, Buffer.alloc(0))],
    ];
    for (const one of bad) {
      expect(() => parseCertificate(withExtension(names(one))), one.toString('hex')).toThrow(
        expect.objectContaining({ code: 'invalid-argument' }),
      );
    }
    const subtree = (bytes: number): Buffer =>
      extension(oid.nameConstraints, sequence(encode(0xa0, sequence(implicit(7, Buffer.alloc(bytes))))));
    expect(() => parseCertificate(withExtension(subtree(8)))).not.toThrow();
    for (const bytes of [3, 4, 16]) expectRefused(withExtension(subtree(bytes)), 'certificate-extension');
  });

  it('has a subject and an issuer that are names: sets of attributes with one text each', () => {
    const attribute = (...values: Buffer[]): Buffer =>
      sequence(encode(tag.set, sequence(encodeOid(oid.commonName), ...values)));
    const text = (type: number, ...bytes: number[]): Buffer => attribute(encode(type, Buffer.from(bytes)));
    const good = [attribute(encode(19, Buffer.from('a & b'))), text(22, 0x61), text(18, 0x31, 0x20), text(20, 0xff)];
    for (const subject of [...good, text(30, 0, 0x61), sequence(encode(tag.set)), text(12, 0)])
      expect(() => parseCertificate(build({ subject })), subject.toString('hex')).not.toThrow();
    const bad = [
      ...[
        text(12, 0xc3),
        text(19, 0x40),
        text(22, 0x80),
        text(18, 0x61),
        text(30, 0x61),
        text(30, 0xd8, 0),
        text(1, 0xff),
      ],
      ...[text(28, 0, 0, 0, 0x61), attribute(), attribute(encode(12), encode(12)), sequence(sequence())],
      ...[sequence(unsignedInteger(Buffer.of(1))), sequence(encode(tag.set, unsignedInteger(Buffer.of(1))))],
    ];
    for (const wrong of bad) {
      const refused = expect.objectContaining({ code: 'invalid-argument' });
      expect(() => parseCertificate(build({ subject: wrong })), wrong.toString('hex')).toThrow(refused);
      expect(() => parseCertificate(build({ issuer: wrong })), wrong.toString('hex')).toThrow(refused);
    }
  });

  it('keeps names of other forms apart from URIs and DNS names', () => {
    const others = [
      encode(0xa0, encodeOid('1.2.3'), explicit(0, Buffer.of(5, 0))),
      implicit(1, Buffer.from('a@b')),
      implicit(7, Buffer.alloc(4)),
    ];
    const read = parseCertificate(
      withExtension(names(...others, implicit(2, Buffer.from('web')), uri('spiffe://a/b'))),
    );
    expect([read.uris, read.dnsNames, read.subjectAltNames.length]).toEqual([['spiffe://a/b'], ['web'], 5]);
  });

  it('reports critical extensions that nobody understands', () => {
    const unknown = extension('1.2.3.4', Buffer.from('anything'), booleanTrue);
    expect(parseCertificate(withExtension(unknown)).unknownCritical).toEqual(['1.2.3.4']);
    expect(parseCertificate(withExtension(extension('1.2.3.4', Buffer.alloc(0)))).unknownCritical).toEqual([]);
  });
});

describe('the key of a certificate', () => {
  const withKey = (publicKey: Buffer): Buffer => build({ publicKey });

  it('XC-37 may be on three curves, RSA from 2048 bits, or Ed25519', () => {
    const accepted = {
      'ec-p256': generateKeyPairSync('ec', { namedCurve: 'P-256' }),
      'ec-p384': generateKeyPairSync('ec', { namedCurve: 'P-384' }),
      'ec-p521': generateKeyPairSync('ec', { namedCurve: 'P-521' }),
      rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
      ed25519: generateKeyPairSync('ed25519'),
    };
    for (const [type, pair] of Object.entries(accepted)) {
      expect(parseCertificate(withKey(spki(pair.publicKey))).keyType).toBe(type);
    }
  });

  it('SE-27 is refused when it is weak, outsized or of another kind', () => {
    const rsa = (modulus: Buffer, exponent: Buffer): Buffer =>
      sequence(
        sequence(encodeOid(oid.rsaEncryption), Buffer.of(5, 0)),
        bitString(sequence(unsignedInteger(modulus), unsignedInteger(exponent))),
      );
    const f4 = Buffer.of(1, 0, 1);
    const bits = (bytes: number): Buffer => Buffer.alloc(bytes, 0xff);
    expect(parseCertificate(withKey(rsa(bits(1024), f4))).keyType).toBe('rsa');
    for (const weak of [
      rsa(bits(255), f4),
      rsa(bits(1025), f4),
      rsa(bits(256), Buffer.of(1)),
      rsa(bits(256), Buffer.of(4)),
    ]) {
      expectRefused(withKey(weak), 'certificate-key');
    }
    expectRefused(withKey(rsa(Buffer.alloc(2048, 0xff), f4)), 'certificate-key', '2048 to 8192 bits');
    for (const pair of [generateKeyPairSync('ec', { namedCurve: 'secp256k1' }), generateKeyPairSync('x25519')]) {
      expectRefused(withKey(spki(pair.publicKey)), 'certificate-key');
    }
  });

  it('is refused with explicit curve parameters, a compressed point or a wrong length', () => {
    const explicitCurve = generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' });
    expectRefused(withKey(spki(explicitCurve.publicKey)), 'certificate-key', 'on a curve other than');
    const p256 = sequence(encodeOid(oid.ecPublicKey), encodeOid(oid.p256));
    for (const point of [Buffer.alloc(33, 2), Buffer.alloc(65, 6), Buffer.alloc(64, 4), Buffer.alloc(0)]) {
      expectRefused(withKey(sequence(p256, bitString(point))), 'certificate-key', 'not an uncompressed point');
    }
  });
});

describe('hostile certificates', () => {
  it('are refused in milliseconds, however deep, wide or large (R-PARSE-1)', () => {
    let deep: Buffer = Buffer.of(5, 0);
    for (let depth = 0; depth < 5000; depth++) deep = sequence(deep);
    const hostile = [
      deep,
      sequence(...Array<Buffer>(10_000).fill(Buffer.of(5, 0))),
      octetString(Buffer.alloc(16 * 1024 * 1024)),
      build({ issuer: deep }),
      withExtension(names(...Array<Buffer>(5000).fill(implicit(2, Buffer.from('a'))))),
      withExtension(extension(oid.subjectAltName, deep.subarray(0, 20_000))),
      Buffer.alloc(0),
    ];
    const before = process.cpuUsage().user;
    for (const der of hostile) expect(() => parseCertificate(der)).toThrow(IdentityError);
    expect((process.cpuUsage().user - before) / 1000).toBeLessThan(hostile.length * 50);
  });

  it('ID-27 with any one byte changed are refused, or their signature fails (R-ISS-3)', () => {
    const good = build();
    const verifies = ({ tbs, signature }: Certificate, der: Buffer): boolean =>
      tbs.equals(parseCertificate(good).tbs) && signature.equals(parseCertificate(good).signature) && der.length > 0;
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (place, change) => {
        const der = Buffer.from(good);
        der[place] = (der[place] ?? 0) ^ change;
        try {
          expect(verifies(parseCertificate(der), der)).toBe(false);
        } catch (error) {
          expect(error).toBeInstanceOf(IdentityError);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe('a chain of certificates in one piece', () => {
  it('comes apart by the length of each', () => {
    const [one, two] = [build(), build({ subject: name('other') })];
    expect(splitCertificates(Buffer.concat([one, two, one]))).toEqual([one, two, one]);
    expect(splitCertificates(Buffer.alloc(0))).toEqual([]);
  });

  it('is refused when it is cut short or has too many', () => {
    expect(() => splitCertificates(Buffer.concat([build(), build().subarray(0, 50)]))).toThrow('not valid DER');
    expect(() => splitCertificates(Buffer.alloc(2049, 0x30))).toThrow('not valid DER');
    expect(() => splitCertificates(Buffer.concat(Array<Buffer>(1025).fill(sequence())))).toThrow('more than 1024');
  });
});
