import { createReadStream } from 'node:fs';
import { IdentityError } from '../errors.ts';
import { storageError } from '../runtime/files.ts';
import { terminal } from '../runtime/terminal.ts';
import { formatBundle } from '../spiffe/bundle.ts';
import { TrustDomain } from '../spiffe/id.ts';
import { decodePem } from '../x509/pem.ts';

/** What an issuer takes; PEM is longer than what is made of it. */
const longestFile = 2 * 1024 * 1024;

/** A bundle in SPIFFE format, be it written so or as the certificates of the X.509 authorities in PEM (FD-23, FD-24). */
export async function readBundleFile(trustDomain: string, path: string): Promise<string> {
  const text = path === '-' ? await terminal.read() : await readLimited(path);
  if (text.trimStart().startsWith('{')) return text;
  const x509Authorities = decodePem('CERTIFICATE', text);
  if (x509Authorities.length === 0) {
    const message = `${path} holds neither a SPIFFE bundle (JSON) nor certificates (PEM)`;
    throw new IdentityError('invalid-argument', message);
  }
  const nothingElse = { jwtAuthorities: [], sequence: undefined, refreshHintSeconds: undefined };
  return formatBundle({ trustDomain: TrustDomain.parse(trustDomain), x509Authorities, ...nothingElse });
}

/** The text of a file that ends before it is too long. */
export async function readLimited(path: string): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > longestFile) throw new IdentityError('invalid-argument', `${path} exceeds ${longestFile} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    throw storageError(error, `cannot read ${path}`);
  }
  return Buffer.concat(chunks).toString('utf8');
}
