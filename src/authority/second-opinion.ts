/**
 * Before an authority is published, a library that did not write it must accept what it signs: a mistake of ours is
 * found here, by us, and not by everybody who relies on it. Rare and off the hot path, so the libraries are loaded when
 * they are asked.
 */
import { IdentityError } from '../errors.ts';
import { joseAlgorithm, type Signer } from '../runtime/signer.ts';

export interface SecondOpinion {
  /**
   * Throws 'data-loss' where the certificate is not what a stranger takes.
   * @param issuer who signed it, where it did not itself
   */
  certificate(certificate: Buffer, issuer?: Buffer): Promise<void>;
  tokenKey(signer: Signer): Promise<void>;
}

/** `@peculiar/x509` reads the certificate and verifies its signature, its own or its issuer's, with `@peculiar/webcrypto`. */
async function judgeCertificate(certificate: Buffer, issuer = certificate): Promise<void> {
  await import('reflect-metadata');
  const [{ X509Certificate }, { Crypto }] = await Promise.all([
    import('@peculiar/x509'),
    import('@peculiar/webcrypto'),
  ]);
  const publicKey = new X509Certificate(new Uint8Array(issuer));
  const accepted = await new X509Certificate(new Uint8Array(certificate))
    .verify({ signatureOnly: true, publicKey }, new Crypto())
    .catch((cause: unknown) => refuse('certificate', cause));
  if (!accepted) refuse('certificate', undefined);
}

/** `jose` verifies a signature of the key that is about to sign tokens. */
async function judgeTokenKey(signer: Signer): Promise<void> {
  const { compactVerify, importSPKI } = await import('jose');
  const alg = joseAlgorithm(signer.keyType);
  const probe = [{ alg }, 'probe'].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const signature = await signer.sign(Buffer.from(probe), 'jose');
  const pem = `-----BEGIN PUBLIC KEY-----\n${signer.publicKey.toString('base64')}\n-----END PUBLIC KEY-----`;
  await compactVerify(`${probe}.${signature.toString('base64url')}`, await importSPKI(pem, alg)).catch(
    (cause: unknown) => refuse('token signature', cause),
  );
}

export const libraries: SecondOpinion = { certificate: judgeCertificate, tokenKey: judgeTokenKey };

function refuse(what: string, cause: unknown): never {
  const message = `BUG: the new authority's ${what} is refused by an independent library; it was not published`;
  throw new IdentityError('data-loss', message, { cause });
}
