/** Our verifiers, each reduced to: does this signature, by this key, count? A refusal says which rule it was. */
import { IdentityError } from '../../../src/errors.ts';
import { parseJwks } from '../../../src/spiffe/bundle.ts';
import { TrustDomain } from '../../../src/spiffe/id.ts';
import { fits, type JwsAlgorithm, signatureHolds } from '../../../src/spiffe/jws-algorithms.ts';
import { checkSignature } from '../../../src/spiffe/jwt-svid.ts';
import { readJws } from '../../../src/spiffe/jwt-token.ts';
import { importPublicKey, parsePublicKey } from '../../../src/x509/public-key.ts';
import { isSignedBy } from '../../../src/x509/signature.ts';
import { type Group, keysOf, type Vector } from './vectors.ts';

/** undefined: it counts. */
export type Refusal = string | undefined;
export type Verifier = (group: Group, vector: Vector) => Refusal;

const trustDomain = TrustDomain.parse('example.org');

/** As a certificate whose content is the message, signed by the owner of the key. */
export const asCertificate =
  (signatureAlgorithm: string): Verifier =>
  ({ publicKeyDer }, { msg, sig }) =>
    refusal(() => {
      const publicKey = bytes(publicKeyDer);
      parsePublicKey(publicKey);
      return isSignedBy({ tbs: bytes(msg), signatureAlgorithm, signature: bytes(sig) }, { publicKey });
    });

/** As the signature of a token: the header says this algorithm, the bundle has this key. */
export const asTokenSignature =
  (algorithm: JwsAlgorithm): Verifier =>
  ({ publicKeyDer }, { msg, sig }) =>
    refusal(() => {
      const key = importPublicKey(bytes(publicKeyDer));
      if (!fits(algorithm, key)) throw new IdentityError('invalid-argument', '', { reason: 'key-unfit' });
      return signatureHolds(algorithm, key, bytes(msg), bytes(sig));
    });

/** As a JWT-SVID up to its claims. `use: sig` is what a SPIFFE bundle says by leaving `use` out. */
export const asToken: Verifier = (group, { jws, jwe = jws }) =>
  refusal(() => {
    const authorities = parseJwks(trustDomain, JSON.stringify({ keys: keysOf(group).map(forSignatures) }));
    const token = readJws(typeof jwe === 'string' ? jwe : JSON.stringify(jwe));
    if (token.keyId === undefined) throw new IdentityError('invalid-argument', '', { reason: 'header-kid' });
    const authority = authorities.find(({ keyId }) => keyId === token.keyId);
    if (authority === undefined) throw new IdentityError('invalid-argument', '', { reason: 'unknown-key' });
    checkSignature(token, authority);
    return true;
  });

const forSignatures = (key: object): object => ('use' in key && key.use === 'sig' ? { ...key, use: undefined } : key);

const bytes = (hexadecimal: string): Buffer => Buffer.from(hexadecimal, 'hex');

function refusal(counts: () => boolean): Refusal {
  try {
    return counts() ? undefined : 'signature';
  } catch (error) {
    if (error instanceof IdentityError) return error.reason ?? error.message;
    throw error;
  }
}
