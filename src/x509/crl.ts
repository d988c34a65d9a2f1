/** Certificate revocation lists (RFC 5280 section 5): version 2, complete, of one issuer; written and read as bytes. */

import { checkDer, DerReader, malformed, readOctetBits, tag } from './der.ts';
import { bitString, encode, explicit, implicit, octetString, sequence, unsignedInteger } from './der-write.ts';
import { encodeOid, oid, oidText } from './oid.ts';
import { refuseCertificate } from './refusal.ts';
import { decodeTime, encodeTime } from './time.ts';

/** CRLReason (section 5.3.1), those that an issuer of workload identities has. */
export const reasons = {
  unspecified: 0,
  keyCompromise: 1,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  privilegeWithdrawn: 9,
} as const;
export type CrlReason = keyof typeof reasons;

export interface RevokedSerial {
  /** Hexadecimal. */
  readonly serial: string;
  readonly at: number;
  readonly reason: CrlReason;
}

export interface CrlContent {
  /** The subject of the authority, as it is written there. */
  readonly issuer: Buffer;
  /** The content of the authority's subjectKeyIdentifier. */
  readonly keyId: Buffer;
  /** AlgorithmIdentifier. */
  readonly algorithm: Buffer;
  /** Greater than that of any earlier list of this issuer. */
  readonly number: bigint;
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  readonly revoked: readonly RevokedSerial[];
}

/** What is to be signed. */
export function crlToBeSigned(content: CrlContent): Buffer {
  const { issuer, algorithm, thisUpdate, nextUpdate, revoked } = content;
  // Section 5.1.2.6: the list is absent where it would be empty.
  const entries = revoked.length === 0 ? [] : [sequence(...revoked.map(entryOf))];
  return sequence(
    version2,
    algorithm,
    issuer,
    encodeTime(thisUpdate),
    encodeTime(nextUpdate),
    ...entries,
    explicit(0, sequence(...extensionsOf(content))),
  );
}

export const signedCrl = (tbs: Buffer, algorithm: Buffer, signature: Buffer): Buffer =>
  sequence(tbs, algorithm, bitString(signature));

/** Versions are counted from 0. */
const version2 = unsignedInteger(Buffer.of(1));

function entryOf({ serial, at, reason }: RevokedSerial): Buffer {
  const parts = [unsignedInteger(Buffer.from(serial.padStart(serial.length + (serial.length % 2), '0'), 'hex'))];
  const code = encode(enumerated, Buffer.of(reasons[reason]));
  // Section 5.3.1: unspecified is said by saying nothing.
  const extensions = reason === 'unspecified' ? [] : [sequence(extension(oid.crlReason, code))];
  return sequence(...parts, encodeTime(at), ...extensions);
}

const enumerated = 0x0a;

const extensionsOf = ({ keyId, number }: CrlContent): readonly Buffer[] => [
  extension(oid.authorityKeyIdentifier, sequence(implicit(0, keyId))),
  extension(oid.crlNumber, unsignedInteger(Buffer.from(number.toString(16).padStart(16, '0'), 'hex'))),
];

const extension = (id: string, value: Buffer): Buffer => sequence(encodeOid(id), octetString(value));

export interface Crl {
  readonly der: Buffer;
  readonly tbs: Buffer;
  readonly signatureAlgorithm: string;
  readonly signature: Buffer;
  readonly issuer: Buffer;
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  /** Serial numbers, hexadecimal, without leading zeros. */
  readonly revoked: ReadonlySet<string>;
}

/** Some 200,000 entries. */
const limits = { bytes: 8 * 1024 * 1024, depth: 10, elements: 2_000_000 };

/** Strict: a critical extension that is not known could change what the list means. */
export function parseCrl(der: Buffer): Crl {
  checkDer(der, limits);
  const parts = new DerReader(der).enter(tag.sequence);
  const tbs = parts.element(tag.sequence);
  const algorithm = parts.element(tag.sequence);
  const signature = readOctetBits(parts.content(tag.bitString));
  parts.finish();
  const signatureAlgorithm = oidText(new DerReader(algorithm).enter(tag.sequence).content(tag.oid));
  return { der, tbs, signatureAlgorithm, signature, ...readTbs(tbs, algorithm) };
}

function readTbs(tbs: Buffer, outerAlgorithm: Buffer): Pick<Crl, 'issuer' | 'thisUpdate' | 'nextUpdate' | 'revoked'> {
  const parts = new DerReader(tbs).enter(tag.sequence);
  if (!parts.element(tag.integer).equals(version2)) throw refuseCertificate('crl-form', 'the list is not of version 2');
  if (!parts.element(tag.sequence).equals(outerAlgorithm)) {
    throw refuseCertificate('certificate-algorithm', 'it names two signature algorithms');
  }
  const issuer = parts.element(tag.sequence);
  const [thisUpdate, nextUpdate] = [readTime(parts), readTime(parts)];
  if (nextUpdate < thisUpdate) throw refuseCertificate('crl-form', 'the list ends before it begins');
  const revoked = parts.tag === tag.sequence ? readEntries(parts.enter(tag.sequence)) : new Set<string>();
  const wrapper = parts.enter(0xa0);
  readExtensions(wrapper.enter(tag.sequence));
  wrapper.finish();
  parts.finish();
  return { issuer, thisUpdate, nextUpdate, revoked };
}

const readTime = (parts: DerReader): number => {
  const type = parts.tag;
  if (type !== tag.utcTime && type !== tag.generalizedTime) throw malformed('a time is expected');
  return decodeTime(type, parts.content(type));
};

function readEntries(list: DerReader): ReadonlySet<string> {
  const serials = new Set<string>();
  while (!list.done) {
    const entry = list.enter(tag.sequence);
    serials.add(serialText(entry.content(tag.integer)));
    readTime(entry);
    if (!entry.done) readExtensions(entry.enter(tag.sequence));
    entry.finish();
  }
  return serials;
}

/** They say how many lists there were and why a serial is on this one: nothing that a verifier must act on. */
function readExtensions(list: DerReader): void {
  while (!list.done) {
    const one = list.enter(tag.sequence);
    one.element(tag.oid);
    if (one.tag === tag.boolean) throw refuseCertificate('crl-form', 'the list has a critical extension');
    one.element(tag.octetString);
    one.finish();
  }
}

export const serialText = (serial: Buffer): string => serial.toString('hex').replace(/^(?:00)+/, '');
