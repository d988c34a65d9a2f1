/**
 * The self-signed certificate of an X.509 authority (X509-SVID sections 2 to 4): an SVID of the trust domain itself, fit
 * to sign others and for nothing else. Written here and not by a library, because the key may be anywhere.
 */
import { hash } from 'node:crypto';
import { IdentityError } from '../errors.ts';
import type { Signer } from '../runtime/signer.ts';
import { TrustDomain } from '../spiffe/id.ts';
import { type Certificate, parseCertificate } from '../x509/certificate.ts';
import { tag } from '../x509/der.ts';
import {
  bitString,
  booleanTrue,
  encode,
  explicit,
  implicit,
  octetString,
  sequence,
  unsignedInteger,
} from '../x509/der-write.ts';
import { encodeOid, oid } from '../x509/oid.ts';
import { parsePublicKey } from '../x509/public-key.ts';
import { isSignedBy, signatureAlgorithmOf } from '../x509/signature.ts';
import { subjectAltName } from '../x509/subject-alt-name.ts';
import { encodeTime } from '../x509/time.ts';

export interface AuthorityCertificate {
  /** Of the authority: in its name, so that each has its own and a verifier finds the right one at once. */
  readonly id: string;
  readonly trustDomain: TrustDomain;
  readonly serial: Buffer;
  readonly notBefore: number;
  readonly notAfter: number;
}

export async function selfSigned(request: AuthorityCertificate, signer: Signer): Promise<Buffer> {
  const algorithm = signatureAlgorithmOf(signer.keyType);
  const tbs = toBeSigned(request, signer, algorithm);
  const certificate = sequence(tbs, algorithm, bitString(await signer.sign(tbs, 'der')));
  checkOwn(parseCertificate(certificate), request, signer);
  return certificate;
}

function toBeSigned(
  { id, trustDomain, serial, notBefore, notAfter }: AuthorityCertificate,
  signer: Signer,
  algorithm: Buffer,
) {
  const name = nameOf(id);
  return sequence(
    version3,
    unsignedInteger(serial),
    algorithm,
    name,
    sequence(encodeTime(notBefore), encodeTime(notAfter)),
    name,
    signer.publicKey,
    explicit(3, extensions(trustDomain, signer.publicKey)),
  );
}

const version3 = explicit(0, unsignedInteger(Buffer.of(2)));

/** RFC 5280 section 4.1.2.4: never empty. */
const nameOf = (id: string): Buffer =>
  sequence(
    attribute(organizationName, tag.utf8String, 'SPIFFE'),
    attribute(oid.commonName, tag.utf8String, 'mayfly'),
    attribute(serialNumber, printableString, id),
  );

const organizationName = '2.5.4.10';
/** X.520's attribute that tells namesakes apart; not the certificate's serial number. */
const serialNumber = '2.5.4.5';
const printableString = 0x13;

const attribute = (type: string, form: number, text: string): Buffer =>
  encode(tag.set, sequence(encodeOid(type), encode(form, Buffer.from(text))));

/** No extended key usage and no name constraints: many verifiers then refuse, or constrain, what is below. */
function extensions(trustDomain: TrustDomain, publicKey: Buffer): Buffer {
  const keyId = hash('sha1', parsePublicKey(publicKey).bits, 'buffer');
  return sequence(
    extension(oid.keyUsage, certSignAndCrlSign, true),
    extension(oid.basicConstraints, sequence(booleanTrue), true),
    extension(oid.subjectKeyIdentifier, octetString(keyId)),
    extension(oid.authorityKeyIdentifier, sequence(implicit(0, keyId))),
    subjectAltName(TrustDomain.id(trustDomain), [], false),
  );
}

const certSignAndCrlSign = bitString(Buffer.of(0x06), 1);

const extension = (id: string, value: Buffer, critical = false): Buffer =>
  sequence(encodeOid(id), critical ? booleanTrue : Buffer.alloc(0), octetString(value));

/** Before anybody trusts it: does it say what it should, and did the key it names sign it? */
function checkOwn(certificate: Certificate, request: AuthorityCertificate, signer: Signer): void {
  const { uris, publicKey, notBefore, notAfter, isCa, keyUsage } = certificate;
  const faithful =
    uris.length === 1 &&
    uris[0] === TrustDomain.id(request.trustDomain) &&
    publicKey.equals(signer.publicKey) &&
    notBefore === request.notBefore &&
    notAfter === request.notAfter &&
    isCa &&
    keyUsage?.has('keyCertSign') === true;
  if (!faithful || !isSignedBy(certificate, certificate)) {
    throw new IdentityError('unavailable', 'The key signed something else than the certificate of its authority', {
      reason: 'authority-self-check',
    });
  }
}
