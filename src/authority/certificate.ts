/**
 * The certificate of an X.509 authority (X509-SVID sections 2 to 4): an SVID of the trust domain itself, fit to sign others
 * and for nothing else; self-signed, or by an authority above, or as a request to one. Written here and not by a library, because the key may be anywhere.
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

/** One below another: a root of our own may have any number of levels below itself. */
export interface IntermediateCertificate extends AuthorityCertificate {
  /** How many levels of authorities may be below it. */
  readonly levelsBelow: number;
}

/** Whose signature makes it: ourselves, or an authority above. */
export interface CertificateIssuer {
  /** Its subject, as it is written. */
  readonly name: Buffer;
  readonly keyId: Buffer;
  readonly signer: Signer;
}

export async function selfSigned(request: AuthorityCertificate, signer: Signer): Promise<Buffer> {
  const itself = { name: nameOf(request.id), keyId: keyIdOf(signer.publicKey), signer };
  const certificate = await signedBy(itself, request, signer.publicKey, unlimited);
  const read = parseCertificate(certificate);
  if (!isOwn(read, request, signer.publicKey) || !isSignedBy(read, read)) throw refused();
  return certificate;
}

/** For an authority below another: it signs leaves, and as many levels of authorities as it was allowed. */
export async function intermediate(
  request: IntermediateCertificate,
  publicKey: Buffer,
  issuer: CertificateIssuer,
): Promise<Buffer> {
  return signedBy(issuer, request, publicKey, limited(request));
}

/**
 * PKCS#10 (RFC 2986), with the name and the trust domain that the certificate is to have. That it may sign others is for
 * whoever is above to say: Vault refuses a request that says so itself.
 */
export async function certificateRequest(request: IntermediateCertificate, signer: Signer): Promise<Buffer> {
  const algorithm = signatureAlgorithmOf(signer.keyType);
  const wanted = sequence(subjectAltName(TrustDomain.id(request.trustDomain), [], false));
  const attributes = implicitSet(0, sequence(encodeOid(extensionRequest), encode(tag.set, wanted)));
  const asked = sequence(unsignedInteger(Buffer.of(0)), nameOf(request.id), signer.publicKey, attributes);
  return sequence(asked, algorithm, bitString(await signer.sign(asked, 'der')));
}

async function signedBy(
  { name, keyId, signer }: CertificateIssuer,
  { id, trustDomain, serial, notBefore, notAfter }: AuthorityCertificate,
  publicKey: Buffer,
  constraints: Buffer,
): Promise<Buffer> {
  const algorithm = signatureAlgorithmOf(signer.keyType);
  const tbs = sequence(
    version3,
    unsignedInteger(serial),
    algorithm,
    name,
    sequence(encodeTime(notBefore), encodeTime(notAfter)),
    nameOf(id),
    publicKey,
    explicit(3, extensions(trustDomain, keyIdOf(publicKey), keyId, constraints)),
  );
  return sequence(tbs, algorithm, bitString(await signer.sign(tbs, 'der')));
}

export const keyIdOf = (publicKey: Buffer): Buffer => hash('sha1', parsePublicKey(publicKey).bits, 'buffer');

export const version3 = explicit(0, unsignedInteger(Buffer.of(2)));

/** RFC 5280 section 4.1.2.4: never empty. */
export const nameOf = (id: string): Buffer =>
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

/** Basic constraints: a root may have anything below it, an intermediate what it was allowed. */
const unlimited = sequence(booleanTrue);
const limited = ({ levelsBelow }: Pick<IntermediateCertificate, 'levelsBelow'>): Buffer =>
  sequence(booleanTrue, unsignedInteger(Buffer.of(levelsBelow)));

const extensionRequest = '1.2.840.113549.1.9.14';
const implicitSet = (number: number, content: Buffer): Buffer => encode(0xa0 | number, content);

/** No extended key usage and no name constraints: many verifiers then refuse, or constrain, what is below. */
const ownExtensions = (trustDomain: TrustDomain, constraints: Buffer): readonly Buffer[] => [
  extension(oid.keyUsage, certSignAndCrlSign, true),
  extension(oid.basicConstraints, constraints, true),
  subjectAltName(TrustDomain.id(trustDomain), [], false),
];

function extensions(trustDomain: TrustDomain, keyId: Buffer, issuerKeyId: Buffer, constraints: Buffer): Buffer {
  const [keyUsage, basicConstraints, names] = ownExtensions(trustDomain, constraints);
  const subjectKeyId = extension(oid.subjectKeyIdentifier, octetString(keyId));
  const authorityKeyId = extension(oid.authorityKeyIdentifier, sequence(implicit(0, issuerKeyId)));
  return sequence(
    ...[keyUsage, basicConstraints, subjectKeyId, authorityKeyId, names].filter((one) => one !== undefined),
  );
}

const certSignAndCrlSign = bitString(Buffer.of(0x06), 1);

export const extension = (id: string, value: Buffer, critical = false): Buffer =>
  sequence(encodeOid(id), critical ? booleanTrue : Buffer.alloc(0), octetString(value));

/** Before anybody trusts it: does it say what it should? */
function isOwn(certificate: Certificate, request: AuthorityCertificate, publicKey: Buffer): boolean {
  const { notBefore, notAfter, isCa, keyUsage } = certificate;
  return (
    certificate.uris.length === 1 &&
    certificate.uris[0] === TrustDomain.id(request.trustDomain) &&
    certificate.publicKey.equals(publicKey) &&
    notBefore === request.notBefore &&
    notAfter === request.notAfter &&
    isCa &&
    keyUsage?.has('keyCertSign') === true
  );
}

const refused = (): IdentityError =>
  new IdentityError('unavailable', 'The key signed something else than the certificate of its authority', {
    reason: 'authority-self-check',
  });
