/** SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7), and which keys are fit to be in a certificate at all. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { DerReader, readOctetBits, readSmallInteger, tag } from './der.ts';
import { oid, oidText } from './oid.ts';
import { refuseCertificate } from './refusal.ts';
import { isRoca } from './roca.ts';

export type PublicKeyType = 'ec-p256' | 'ec-p384' | 'ec-p521' | 'rsa' | 'ed25519';

export interface SubjectPublicKey {
  readonly type: PublicKeyType;
  /** The bits of subjectPublicKey: what a key identifier is the hash of. */
  readonly bits: Buffer;
}

/** Above, one check of a signature becomes a denial of service (R-PARSE-1, SE-27). */
const rsaBits = { least: 2048, most: 8192 };
/** Uncompressed points: 04, x, y. */
const curves: Readonly<Record<string, { type: PublicKeyType; bytes: number }>> = {
  [oid.p256]: { type: 'ec-p256', bytes: 65 },
  [oid.p384]: { type: 'ec-p384', bytes: 97 },
  [oid.p521]: { type: 'ec-p521', bytes: 133 },
};

/** Named curves only, uncompressed points only, RSA from 2048 to 8192 bits. Whether a point is on its curve is for `importPublicKey`. */
export function parsePublicKey(spki: Buffer): SubjectPublicKey {
  const outer = new DerReader(spki);
  const parts = outer.enter(tag.sequence);
  outer.finish();
  const algorithm = parts.enter(tag.sequence);
  const name = oidText(algorithm.content(tag.oid));
  const bits = readOctetBits(parts.content(tag.bitString));
  parts.finish();
  const type = typeOf(name, algorithm, bits);
  algorithm.finish();
  return { type, bits };
}

export function importPublicKey(spki: Buffer): KeyObject {
  try {
    return createPublicKey({ key: spki, format: 'der', type: 'spki' });
  } catch (cause) {
    throw refuse('its public key is not one', cause);
  }
}

function typeOf(name: string, parameters: DerReader, bits: Buffer): PublicKeyType {
  if (name === oid.ecPublicKey) return curveOf(parameters, bits);
  if (name === oid.rsaEncryption) {
    if (parameters.content(tag.null).length > 0) throw refuse('its RSA key has parameters');
    checkRsa(bits);
    return 'rsa';
  }
  if (name === oid.ed25519 && bits.length === 32) return 'ed25519';
  throw refuse('its public key is of a kind that is not accepted');
}

/** Explicit curve parameters are a SEQUENCE: they let an attacker choose the generator (CVE-2020-0601), and are refused. */
function curveOf(parameters: DerReader, point: Buffer): PublicKeyType {
  const curve = parameters.tag === tag.oid ? curves[oidText(parameters.content(tag.oid))] : undefined;
  if (curve === undefined) throw refuse('its key is on a curve other than P-256, P-384 and P-521');
  if (point.length !== curve.bytes || point[0] !== 4) throw refuse('its key is not an uncompressed point of its curve');
  return curve.type;
}

function checkRsa(bits: Buffer): void {
  const outer = new DerReader(bits);
  const key = outer.enter(tag.sequence);
  outer.finish();
  const modulus = key.content(tag.integer);
  const exponent = readSmallInteger(key.content(tag.integer));
  key.finish();
  const size = bitLength(modulus);
  if (size < rsaBits.least || size > rsaBits.most) {
    throw refuse(`its RSA key does not have ${rsaBits.least} to ${rsaBits.most} bits`);
  }
  if (exponent < 3 || exponent % 2 === 0) throw refuse('its RSA exponent is even or too small');
  if (isRoca(modulus)) throw refuse('its RSA key can be factored (CVE-2017-15361)');
}

/** Of a positive INTEGER in its shortest form; 0 for a negative one. */
function bitLength(integer: Buffer): number {
  const first = integer[0] ?? 0;
  if (first >= 0x80) return 0;
  return first === 0 ? (integer.length - 1) * 8 : (integer.length - 1) * 8 + (32 - Math.clz32(first));
}

const refuse = (detail: string, cause?: unknown) => refuseCertificate('certificate-key', detail, cause);
