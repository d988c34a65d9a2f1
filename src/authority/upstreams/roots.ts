/** Certificates in files and answers: which of them are roots. */
import { readFileSync } from 'node:fs';
import { IdentityError } from '../../errors.ts';
import { storageError } from '../../runtime/files.ts';
import { parseCertificate } from '../../x509/certificate.ts';
import { decodePem } from '../../x509/pem.ts';
import type { Upstream } from '../journal.ts';

/** Read anew for each certificate, so that they can be replaced. */
export function certificatesIn(path: string): readonly Buffer[] {
  const certificates = decodePem('CERTIFICATE', textOf(path));
  if (certificates.length > 0) return certificates;
  throw new IdentityError('failed-precondition', `${path} holds no certificate: it must be PEM`);
}

/**
 * @param above from the issuer upwards, with or without its root
 * @param rootsFile where the roots are, if they are not among those above
 */
export function sorted(above: readonly Buffer[], rootsFile: string | undefined, who: string): Upstream {
  const chain = above.filter((der) => !isSelfSigned(der));
  const roots = rootsFile === undefined ? above.filter(isSelfSigned) : certificatesIn(rootsFile);
  if (roots.length > 0) return { chain, roots };
  const message = `${who} has no self-signed certificate at its end: name a file with the roots in upstream.roots_file`;
  throw new IdentityError('failed-precondition', message);
}

function isSelfSigned(der: Buffer): boolean {
  const { issuer, subject } = parseCertificate(der);
  return issuer.equals(subject);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw storageError(error, `cannot read ${path}`);
  }
}
