/** X.509 certificates (RFC 5280 section 4) as bytes and fields. Reading one says nothing about trusting it. */
import { checkDer, DerReader, elementLength, malformed, readOctetBits, tag } from './der.ts';
import { type Extensions, readExtensions } from './extensions.ts';
import { checkName } from './name.ts';
import { oidText } from './oid.ts';
import { type PublicKeyType, parsePublicKey } from './public-key.ts';
import { refuseCertificate } from './refusal.ts';
import { decodeTime } from './time.ts';

export interface Certificate extends Extensions {
  readonly der: Buffer;
  /** What is signed. */
  readonly tbs: Buffer;
  readonly version: 3;
  /** Big-endian, positive, without a leading zero. */
  readonly serial: Buffer;
  /** Names as they are written: two are the same when their bytes are. */
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly subjectEmpty: boolean;
  /** Both are inclusive. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Buffer;
  readonly keyType: PublicKeyType;
  /** Dotted object identifier. */
  readonly signatureAlgorithm: string;
  readonly signature: Buffer;
}

/** The largest that we issue has about 11 KiB: an ID of 2048 bytes and 32 DNS names. Names nest four deep. */
const limits = { bytes: 32 * 1024, depth: 12, elements: 1024 };

export function parseCertificate(der: Buffer): Certificate {
  checkDer(der, limits);
  const parts = new DerReader(der).enter(tag.sequence);
  const tbs = parts.element(tag.sequence);
  const algorithm = parts.element(tag.sequence);
  const signature = readOctetBits(parts.content(tag.bitString));
  parts.finish();
  const signatureAlgorithm = readAlgorithm(algorithm);
  return { der, tbs, signatureAlgorithm, signature, ...readTbs(tbs, algorithm) };
}

/** The Workload API sends certificates one after the other without separators; each is cut off by its own length. */
export function splitCertificates(concatenated: Buffer, most = 1024): Buffer[] {
  const certificates: Buffer[] = [];
  for (let at = 0; at < concatenated.length; ) {
    if (certificates.length === most) throw malformed(`more than ${most} certificates`);
    const length = elementLength(concatenated, at);
    certificates.push(concatenated.subarray(at, at + length));
    at += length;
  }
  return certificates;
}

type TbsFields = Omit<Certificate, 'der' | 'tbs' | 'signatureAlgorithm' | 'signature'>;

function readTbs(tbs: Buffer, outerAlgorithm: Buffer): TbsFields {
  const parts = new DerReader(tbs).enter(tag.sequence);
  readVersion3(parts);
  const serial = readSerial(parts.content(tag.integer));
  // Section 4.1.1.2: the one outside is not signed, so it must be the same.
  if (!parts.element(tag.sequence).equals(outerAlgorithm)) {
    throw refuseCertificate('certificate-algorithm', 'it names two signature algorithms');
  }
  const issuer = readName(parts);
  if (issuer.length === emptyName) throw refuseCertificate('certificate-name', 'its issuer has no name');
  const validity = readValidity(parts.enter(tag.sequence));
  const subject = readName(parts);
  const publicKey = parts.element(tag.sequence);
  const { type: keyType } = parsePublicKey(publicKey);
  const extensions = readExtensions(parts.done ? undefined : only(parts.enter(0xa3)));
  // Also refuses issuerUniqueID and subjectUniqueID, which section 4.1.2.8 forbids to use.
  parts.finish();
  const subjectEmpty = subject.length === emptyName;
  return { version: 3, serial, issuer, subject, subjectEmpty, ...validity, publicKey, keyType, ...extensions };
}

function readName(parts: DerReader): Buffer {
  const name = parts.element(tag.sequence);
  checkName(name);
  return name;
}

/** An empty SEQUENCE. */
const emptyName = 2;

function readVersion3(parts: DerReader): void {
  const version = parts.tag === 0xa0 ? parts.content(0xa0) : undefined;
  if (!version?.equals(version3)) throw refuseCertificate('certificate-version', 'its version is not 3');
}

/** INTEGER 2: versions are counted from 0. */
const version3 = Buffer.of(tag.integer, 1, 2);

/** The sequence in an EXPLICIT wrapper, and nothing beside it. */
function only(wrapper: DerReader): DerReader {
  const inner = wrapper.enter(tag.sequence);
  wrapper.finish();
  return inner;
}

/** Section 4.1.2.2: positive, at most 20 octets. */
function readSerial(content: Buffer): Buffer {
  const first = content[0] ?? 0;
  const isZero = content.length === 1 && first === 0;
  if (first >= 0x80 || isZero || content.length > 20) {
    throw refuseCertificate('certificate-serial', 'its serial number is not positive or has more than 20 octets');
  }
  return first === 0 ? content.subarray(1) : content;
}

function readValidity(parts: DerReader): { notBefore: number; notAfter: number } {
  const notBefore = decodeTime(parts.tag, parts.content(parts.tag ?? 0));
  const notAfter = decodeTime(parts.tag, parts.content(parts.tag ?? 0));
  parts.finish();
  if (notAfter < notBefore) throw refuseCertificate('certificate-validity', 'it ends before it begins');
  return { notBefore, notAfter };
}

/** Parameters, where there are any, are one element; which algorithms are accepted is for who checks the signature. */
function readAlgorithm(algorithm: Buffer): string {
  const parts = new DerReader(algorithm).enter(tag.sequence);
  const name = oidText(parts.content(tag.oid));
  if (!parts.done) parts.element();
  parts.finish();
  return name;
}
