/**
 * A certificate around a token key, for relying parties that take a key in no other form (`x5c` of RFC 7517 section 4.7).
 * Self-signed and worth nothing by itself: whoever reads it has it from the key set, and trusts that.
 */
import type { Signer } from '../runtime/signer.ts';
import { bitString, explicit, octetString, sequence, unsignedInteger } from '../x509/der-write.ts';
import { oid } from '../x509/oid.ts';
import { signatureAlgorithmOf } from '../x509/signature.ts';
import { encodeTime } from '../x509/time.ts';
import { extension, keyIdOf, nameOf, version3 } from './certificate.ts';
import type { AuthorityRecord } from './journal.ts';

type TokenAuthority = Pick<AuthorityRecord, 'id' | 'notBefore' | 'notAfter'>;

export async function tokenCertificate({ id, notBefore, notAfter }: TokenAuthority, signer: Signer): Promise<Buffer> {
  const algorithm = signatureAlgorithmOf(signer.keyType);
  const tbs = sequence(
    version3,
    unsignedInteger(Buffer.from(id, 'hex')),
    algorithm,
    nameOf(id),
    sequence(encodeTime(notBefore), encodeTime(notAfter)),
    nameOf(id),
    signer.publicKey,
    explicit(3, extensions(signer.publicKey)),
  );
  return sequence(tbs, algorithm, bitString(await signer.sign(tbs, 'der')));
}

/** It signs tokens and no certificates. */
const extensions = (publicKey: Buffer): Buffer =>
  sequence(
    extension(oid.keyUsage, digitalSignature, true),
    extension(oid.basicConstraints, sequence(), true),
    extension(oid.subjectKeyIdentifier, octetString(keyIdOf(publicKey))),
  );

const digitalSignature = bitString(Buffer.of(0x80), 7);
