/** Certificates: as they come, and signed whatever they say. */
import { X509Certificate } from 'node:crypto';
import { parseX509Svid, verifyX509Svid } from '../../../src/spiffe/x509-svid.ts';
import { parseCertificate, splitCertificates } from '../../../src/x509/certificate.ts';
import { crlToBeSigned, parseCrl, signedCrl } from '../../../src/x509/crl.ts';
import { bitString, implicit, sequence, unsignedInteger } from '../../../src/x509/der-write.ts';
import { encodeOid, oid } from '../../../src/x509/oid.ts';
import { decodePem, encodePem } from '../../../src/x509/pem.ts';
import { importPublicKey, parsePublicKey } from '../../../src/x509/public-key.ts';
import { provenKey } from '../../../src/x509/request.ts';
import { FakeCa } from '../../fakes/ca.ts';
import { leafBelowMiddle, plainRoot, tbsSeeds } from '../differential/chain-seeds.ts';
import { promise, type Target, texts } from '../engine/target.ts';
import * as forged from '../forge.ts';

const now = Date.now();
const root = new FakeCa('example.org');
const leaf = root.issue('/web').chain;
const chain = new FakeCa('example.org', root).issue('/deep/er').chain;

export const certificate: Target = {
  seeds: [root.certificate, ...leaf, ...chain, Buffer.from('3080a0030201', 'hex')],
  shape: 'der',
  run: (input) => promise(parseCertificate(input).der.equals(input), 'a certificate is all of its bytes'),
};

/** Whatever is asked for beside it, the key is one that stands in the request. */
export const certificateRequest: Target = {
  seeds: ['ec', 'rsa2048', 'p384'].map((kind) => requestOf(forged.publicKeyOf(kind))),
  shape: 'der',
  run: (input) => promise(input.includes(provenKey(input)), 'a key that stands there'),
};

/** With a signature that is none: what is read comes before what is proven. */
function requestOf(publicKey: Buffer): Buffer {
  const algorithm = sequence(encodeOid(oid.ecdsaWithSha256));
  const asked = sequence(unsignedInteger(Buffer.of(0)), sequence(), publicKey, implicit(0, Buffer.alloc(0)));
  return sequence(asked, algorithm, bitString(Buffer.alloc(64, 2)));
}

export const certificateList: Target = {
  seeds: [Buffer.concat([...leaf, ...chain]), root.certificate],
  shape: 'der',
  run: (input) => promise(Buffer.concat(splitCertificates(input)).equals(input), 'pieces make the whole'),
};

/** What is read of a list was written in it, and nothing of it is left over. */
export const crl: Target = {
  seeds: [[], ['0a'], ['0a', '7fffffffffffffffffffffffffffffff']].map((serials) => listOf(serials)),
  shape: 'der',
  run: (input) => {
    const { der, tbs, thisUpdate, nextUpdate, revoked } = parseCrl(input);
    promise(der.equals(input) && input.includes(tbs), 'a list is all of its bytes');
    promise(thisUpdate <= nextUpdate, 'it ends after it begins');
    promise(
      [...revoked].every((serial) => tbs.includes(Buffer.from(serial, 'hex'))),
      'a serial number that stands there',
    );
  },
};

function listOf(serials: readonly string[]): Buffer {
  const [day, at] = [86_400_000, Date.UTC(2026, 0, 1)];
  const revoked = serials.map((serial) => ({ serial, at, reason: 'keyCompromise' as const }));
  const { subject } = parseCertificate(root.certificate);
  const algorithm = sequence(encodeOid(oid.ecdsaWithSha256));
  const times = { thisUpdate: at, nextUpdate: at + day };
  const content = { issuer: subject, keyId: Buffer.alloc(20, 1), algorithm, number: 3n, ...times, revoked };
  return signedCrl(crlToBeSigned(content), algorithm, Buffer.alloc(64, 2));
}

export const publicKey: Target = {
  seeds: ['ec', 'rsa2048', 'p384', 'p521', 'ed25519'].map(forged.publicKeyOf),
  shape: 'der',
  run: (input) => {
    const { type } = parsePublicKey(input);
    const { asymmetricKeyType, asymmetricKeyDetails } = importPublicKey(input);
    promise(type.startsWith(`${asymmetricKeyType}`), 'the kind that OpenSSL reads');
    const { modulusLength = 2048 } = asymmetricKeyDetails ?? {};
    promise(modulusLength >= 2048 && modulusLength <= 8192, 'RSA of a size that is accepted');
  },
};

export const x509Svid: Target = {
  seeds: [Buffer.concat(leaf), Buffer.concat(chain), root.certificate],
  shape: 'der',
  run: (input) => {
    const { certificates } = parseX509Svid(input);
    verifyX509Svid(certificates, () => [root.certificate], now);
    const known = [leaf, chain].some(([first]) => first?.equals(certificates[0] ?? Buffer.alloc(0)));
    promise(known, 'a leaf that was changed after signing is not believed');
  },
};

/** What a CA of ours, or somebody who has its key, could sign: as a leaf, and as a CA above a good leaf. */
export const x509Signed: Target = {
  seeds: tbsSeeds,
  shape: 'der',
  run: (tbs) => {
    const made = forged.signedBy('root', tbs);
    const asLeaf = refusal(() => verifyX509Svid([made], () => [plainRoot], now));
    const asCa = refusal(() => verifyX509Svid([leafBelowMiddle, made], () => [plainRoot], now));
    if (asLeaf === undefined) judgeLeaf(new X509Certificate(made));
    if (asCa === undefined) promise(new X509Certificate(made).ca, 'a CA for OpenSSL too');
    if (asLeaf !== undefined && asCa !== undefined) throw asLeaf;
  },
};

function judgeLeaf({ ca: isCa, subjectAltName = '' }: X509Certificate): void {
  promise(!isCa, 'no CA is a leaf');
  const found = subjectAltName.match(/URI:spiffe:\/\/[a-z0-9._-]+(\/[A-Za-z0-9._-]+)+/g) ?? [];
  promise(found.length === 1 && (subjectAltName.match(/URI:/g) ?? []).length === 1, 'one URI, a SPIFFE ID');
}

export const pem: Target = {
  seeds: texts(
    encodePem('CERTIFICATE', root.certificate),
    '-----BEGIN CERTIFICATE-----\n',
    '-----END X-----',
    '====',
    '\r\n',
  ),
  run: (input) => {
    for (const bytes of decodePem('CERTIFICATE', input.toString('latin1'))) {
      promise(decodePem('CERTIFICATE', encodePem('CERTIFICATE', bytes))[0]?.equals(bytes) === true, 'it is read back');
    }
  },
};

function refusal(step: () => unknown): unknown {
  try {
    step();
    return undefined;
  } catch (error) {
    return error;
  }
}
