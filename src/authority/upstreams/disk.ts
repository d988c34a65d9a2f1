/** An authority above ours whose certificate and key are files: for those who bring their own root or intermediate. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { IdentityError } from '../../errors.ts';
import { readPrivateFile } from '../../runtime/files.ts';
import { type Signer, softwareSigner } from '../../runtime/signer.ts';
import { type Certificate, parseCertificate } from '../../x509/certificate.ts';
import { intermediate, keyIdOf } from '../certificate.ts';
import type { UpstreamAuthority } from '../upstream.ts';
import { certificatesIn, sorted } from './roots.ts';

export interface DiskUpstreamSettings {
  /** PEM: the authority's certificate first, then those above it. */
  readonly certificateFile: string;
  /** PEM, mode 0600. */
  readonly keyFile: string;
  /** PEM: what is to be trusted, where the chain does not end in a root. */
  readonly rootsFile?: string | undefined;
}

export function diskUpstream({ certificateFile, keyFile, rootsFile }: DiskUpstreamSettings): UpstreamAuthority {
  return {
    name: `the authority in ${certificateFile}`,
    certify: async (request, signer) => {
      const above = certificatesIn(certificateFile);
      const upstream = sorted(above, rootsFile, certificateFile);
      const issuer = parseCertificate(above[0] ?? Buffer.alloc(0));
      const key = signerIn(keyFile, issuer, certificateFile);
      const ends = [...above, ...upstream.roots].map((der) => parseCertificate(der).notAfter);
      const notBefore = Math.max(request.notBefore, issuer.notBefore);
      const asked = { ...request, notBefore, notAfter: Math.min(request.notAfter, ...ends) };
      const named = { name: issuer.subject, keyId: issuer.subjectKeyId ?? keyIdOf(issuer.publicKey), signer: key };
      return { certificate: await intermediate(asked, signer.publicKey, named), upstream };
    },
  };
}

function signerIn(path: string, issuer: Certificate, certificateFile: string): Signer {
  const signer = readSigner(path);
  if (signer.publicKey.equals(issuer.publicKey)) return signer;
  const message = `the key in ${path} is not the one of the first certificate in ${certificateFile}: put the two that belong together`;
  throw new IdentityError('failed-precondition', message);
}

function readSigner(path: string): Signer {
  const bytes = readPrivateFile(path, longestKey);
  try {
    return softwareSigner(keyIn(bytes));
  } catch (cause) {
    const message = `${path} holds no key that can sign: it must be PEM without a passphrase, P-256, P-384, RSA 2048 or RSA 4096`;
    throw new IdentityError('failed-precondition', message, { cause });
  }
}

const keyIn = (pem: Buffer): KeyObject => createPrivateKey({ key: pem, format: 'pem' });
const longestKey = 16 * 1024;
