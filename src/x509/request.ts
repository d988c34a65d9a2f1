/** Requests for certificates (PKCS#10, RFC 2986): the key is taken, and the proof that whoever asks has its other half. */
import { checkDer, DerReader, malformed, readOctetBits, tag } from './der.ts';
import { oidText } from './oid.ts';
import { parsePublicKey } from './public-key.ts';
import { refuseCertificate } from './refusal.ts';
import { isSignedBy } from './signature.ts';

/** RSA with 4096 bits, a name and an ID take some 3,000 bytes. */
const limits = { bytes: 16 * 1024, depth: 12, elements: 512 };

/**
 * The public key that a request proves to hold, as SubjectPublicKeyInfo. Names and extensions that it asks for are passed
 * over: who is told is told by others.
 */
export function provenKey(request: Buffer): Buffer {
  checkDer(request, limits);
  const parts = new DerReader(request).enter(tag.sequence);
  const tbs = parts.element(tag.sequence);
  const algorithm = parts.enter(tag.sequence);
  const signature = readOctetBits(parts.content(tag.bitString));
  parts.finish();
  const publicKey = keyIn(tbs);
  const signed = { tbs, signature, signatureAlgorithm: oidText(algorithm.content(tag.oid)) };
  if (isSignedBy(signed, { publicKey })) return publicKey;
  throw refuseCertificate('request-proof', 'the request is not signed by the key that it names');
}

function keyIn(tbs: Buffer): Buffer {
  const asked = new DerReader(tbs).enter(tag.sequence);
  if (!asked.content(tag.integer).equals(firstVersion)) throw malformed('the request has another version than 1');
  asked.element(tag.sequence);
  const publicKey = asked.element(tag.sequence);
  parsePublicKey(publicKey);
  return publicKey;
}

/** Versions are counted from 0. */
const firstVersion = Buffer.of(0);
