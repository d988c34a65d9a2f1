/**
 * The hot path of issuing. What one authority puts into all its leaves is encoded once; each leaf adds its serial,
 * times, names and key to bytes that are already there. The profile is that of an X509-SVID (X509-SVID sections 2 to 4).
 */
import { hash } from 'node:crypto';
import { IdentityError } from '../errors.ts';
import type { KeyType } from '../runtime/signer.ts';
import { type Certificate, parseCertificate } from './certificate.ts';
import { tag } from './der.ts';
import {
  bitString,
  booleanTrue,
  encode,
  header,
  implicit,
  octetString,
  sequence,
  unsignedInteger,
} from './der-write.ts';
import { nameForm } from './general-name.ts';
import { namesAllowed } from './name-constraints.ts';
import { encodeOid, oid } from './oid.ts';
import { parsePublicKey } from './public-key.ts';
import { signatureAlgorithmOf } from './signature.ts';
import { subjectAltName } from './subject-alt-name.ts';
import { encodeTime } from './time.ts';

export interface Leaf {
  /** 1 to 20 octets, read as a positive number. Unpredictable: at least 64 random bits. */
  readonly serial: Buffer;
  readonly notBefore: number;
  /** Never after the end of the issuer. */
  readonly notAfter: number;
  readonly uri: string;
  readonly dnsNames: readonly string[];
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Buffer;
  /** At most 64 characters (RFC 5280 appendix A.1, ub-common-name). Without one the subject is empty. */
  readonly subjectCommonName?: string | undefined;
}

export class LeafTemplate {
  readonly #issuer: Certificate;
  readonly #signatureAlgorithm: Buffer;
  /** signature and issuer: what stands between the serial and the times. */
  readonly #middle: Buffer;
  /** Every extension that is the same in all leaves, up to the place of the key's identifier. */
  readonly #extensions: Buffer;

  private constructor(issuer: Certificate, issuerKeyId: Buffer, keyType: KeyType) {
    this.#issuer = issuer;
    this.#signatureAlgorithm = signatureAlgorithmOf(keyType);
    this.#middle = Buffer.concat([this.#signatureAlgorithm, issuer.subject]);
    const authorityKeyId = extension(oid.authorityKeyIdentifier, sequence(implicit(0, issuerKeyId)));
    this.#extensions = Buffer.concat([...sameForAll, authorityKeyId, subjectKeyIdHeader]);
  }

  static compile(issuer: { certificate: Buffer; keyType: KeyType }): LeafTemplate {
    const certificate = parseCertificate(issuer.certificate);
    const { isCa, keyUsage, subjectKeyId, subjectEmpty, keyType } = certificate;
    if (!isCa || !keyUsage?.has('keyCertSign')) throw new TypeError('the issuer is not a signing certificate');
    if (subjectKeyId === undefined || subjectEmpty) throw new TypeError('the issuer has no key identifier or no name');
    if (!issuer.keyType.startsWith(keyType)) throw new TypeError('the key type is not that of the issuer');
    return new LeafTemplate(certificate, subjectKeyId, issuer.keyType);
  }

  /** TBSCertificate, to be signed with the issuer's key. */
  toBeSigned(leaf: Leaf): Buffer {
    this.#checkConstraints(leaf);
    const { bits } = parsePublicKey(leaf.publicKey);
    const hasSubject = leaf.subjectCommonName !== undefined;
    // RFC 5280 section 4.2.1.6: with an empty subject, the names must not be overlooked.
    const names = subjectAltName(leaf.uri, leaf.dnsNames, !hasSubject);
    const extensionsLength = this.#extensions.length + keyIdLength + names.length;
    const extensions = header(tag.sequence, extensionsLength);
    return wrap(tag.sequence, [
      version3,
      serialOf(leaf.serial),
      this.#middle,
      this.#validity(leaf),
      hasSubject ? commonName(leaf.subjectCommonName) : emptyName,
      leaf.publicKey,
      header(0xa3, extensions.length + extensionsLength),
      extensions,
      this.#extensions,
      // RFC 5280 section 4.2.1.2, method 1. An identifier, not a proof: SHA-1 does no harm here.
      hash('sha1', bits, 'buffer'),
      names,
    ]);
  }

  certificate(tbs: Buffer, signature: Buffer): Buffer {
    const unusedBits = 1;
    const bits = header(tag.bitString, unusedBits + signature.length);
    return wrap(tag.sequence, [tbs, this.#signatureAlgorithm, bits, Buffer.of(0), signature]);
  }

  #checkConstraints({ uri, dnsNames, subjectCommonName }: Leaf): void {
    if (this.#issuer.nameConstraints === undefined) return;
    const subjectAltNames = [
      { form: nameForm.uri, text: uri },
      ...dnsNames.map((text) => ({ form: nameForm.dnsName, text })),
    ];
    if (namesAllowed({ subjectAltNames, subjectEmpty: subjectCommonName === undefined }, this.#issuer)) return;
    throw new IdentityError(
      'failed-precondition',
      'The authority may not sign for this name: the name constraints of its certificate exclude it',
      { reason: 'issuer-name-constraints' },
    );
  }

  /** A leaf that outlives its issuer is a mistake of ours, not of a caller. */
  #validity({ notBefore, notAfter }: Leaf): Buffer {
    if (notAfter < notBefore) throw new TypeError('the leaf would end before it begins');
    if (notAfter > this.#issuer.notAfter) throw new TypeError('the leaf would outlive its issuer');
    return wrap(tag.sequence, [encodeTime(notBefore), encodeTime(notAfter)]);
  }
}

/** SHA-1 has 20 bytes. */
const keyIdLength = 20;
const version3 = Buffer.of(0xa0, 3, tag.integer, 1, 2);
const emptyName = sequence();

function extension(id: string, value: Buffer, critical = false): Buffer {
  return sequence(encodeOid(id), critical ? booleanTrue : Buffer.alloc(0), octetString(value));
}

/** Neither keyEncipherment, which RFC 8813 forbids beside ECDSA keys, nor keyAgreement: nothing needs them. */
const digitalSignatureOnly = bitString(Buffer.of(0x80), 7);

const sameForAll: readonly Buffer[] = [
  extension(oid.keyUsage, digitalSignatureOnly, true),
  extension(oid.extendedKeyUsage, sequence(encodeOid(oid.serverAuth), encodeOid(oid.clientAuth))),
  // cA FALSE is the default, and DER leaves defaults out; some verifiers insist on the extension.
  extension(oid.basicConstraints, sequence(), true),
];

const subjectKeyIdHeader = extension(oid.subjectKeyIdentifier, octetString(Buffer.alloc(keyIdLength))).subarray(
  0,
  -keyIdLength,
);

function serialOf(serial: Buffer): Buffer {
  const encoded = unsignedInteger(serial);
  const longest = 2 + 20;
  if (encoded.length > longest || serial.every((byte) => byte === 0)) {
    throw new TypeError('a serial number is positive and has at most 20 octets');
  }
  return encoded;
}

function commonName(name: string): Buffer {
  if (name === '' || name.length > 64) throw new TypeError('a common name has 1 to 64 characters');
  const attribute = sequence(encodeOid(oid.commonName), encode(tag.utf8String, Buffer.from(name)));
  return sequence(encode(tag.set, attribute));
}

function wrap(type: number, parts: readonly Buffer[]): Buffer {
  let length = 0;
  for (const part of parts) length += part.length;
  return Buffer.concat([header(type, length), ...parts]);
}
