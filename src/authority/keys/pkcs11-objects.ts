/** Key pairs of a PKCS#11 token: two objects each, found by one label. */
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import {
  type Attributes,
  type AttributeValue,
  CKA,
  CKK,
  CKO,
  mechanism,
  roomFor,
  template,
  valueAt,
  word,
} from '../../runtime/pkcs11/attributes.ts';
import type { Session } from '../../runtime/pkcs11/token.ts';
import type { KeyType } from '../../runtime/signer.ts';
import { sequence, unsignedInteger } from '../../x509/der-write.ts';

/** At most `most` keys of one class, with this label or any. */
export async function findKeys(session: Session, kind: number, label?: string, most = 1000): Promise<bigint[]> {
  const named: Attributes = label === undefined ? [] : [[CKA.LABEL, label]];
  const wanted = template([[CKA.CLASS, kind], [CKA.TOKEN, true], ...named]);
  await session.call('C_FindObjectsInit', session.handle, wanted.memory, wanted.count);
  try {
    const [found, count] = [Buffer.alloc(8 * most), word(0)];
    await session.call('C_FindObjects', session.handle, found, most, count);
    return Array.from({ length: Number(count.readBigUInt64LE()) }, (_, at) => found.readBigUInt64LE(8 * at));
  } finally {
    await session.call('C_FindObjectsFinal', session.handle);
  }
}

export async function labelOf(session: Session, object: bigint): Promise<string> {
  const [label = Buffer.alloc(0)] = await read(session, object, [CKA.LABEL]);
  return label.toString('utf8');
}

/** Nobody, the token's owner included, reads the private half; an interrupted pair of the same label is replaced. */
export async function generatePair(session: Session, label: string, keyType: KeyType): Promise<void> {
  await destroyPair(session, label);
  const { how, about } = generation[keyType];
  const common: Attributes = [
    [CKA.TOKEN, true],
    [CKA.LABEL, label],
    [CKA.ID, label],
  ];
  const publicHalf = template([...common, [CKA.PRIVATE, false], [CKA.VERIFY, true], ...about]);
  const privateHalf = template([
    ...common,
    [CKA.PRIVATE, true],
    [CKA.SENSITIVE, true],
    [CKA.EXTRACTABLE, false],
    [CKA.SIGN, true],
  ]);
  const halves = [publicHalf.memory, publicHalf.count, privateHalf.memory, privateHalf.count] as const;
  await session.call('C_GenerateKeyPair', session.handle, mechanism(how), ...halves, word(0), word(0));
}

/** @returns how many objects that were */
export async function destroyPair(session: Session, label: string): Promise<number> {
  let destroyed = 0;
  for (const kind of [CKO.PRIVATE_KEY, CKO.PUBLIC_KEY]) {
    for (const object of await findKeys(session, kind, label)) {
      await session.call('C_DestroyObject', session.handle, object);
      destroyed += 1;
    }
  }
  return destroyed;
}

/** SubjectPublicKeyInfo of a public key object. */
export async function publicKeyOf(session: Session, object: bigint): Promise<Buffer> {
  const [type] = await read(session, object, [CKA.KEY_TYPE]);
  const jwk = type?.readUInt32LE() === CKK.RSA ? await rsaKey(session, object) : await ellipticKey(session, object);
  return createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'der' });
}

/** ECDSA comes as r‖s and leaves as DER; RSA gets the DigestInfo that PKCS#1 v1.5 signs (RFC 8017 section 9.2). */
export async function signDigest(session: Session, object: bigint, keyType: KeyType, digest: Buffer): Promise<Buffer> {
  const elliptic = keyType.startsWith('ec-');
  const input = elliptic ? digest : Buffer.concat([sha256DigestInfo, digest]);
  const [signature, length] = [Buffer.alloc(longestSignature), word(longestSignature)];
  await session.call('C_SignInit', session.handle, mechanism(elliptic ? CKM_ECDSA : CKM_RSA_PKCS), object);
  await session.call('C_Sign', session.handle, input, input.length, signature, length);
  const made = signature.subarray(0, Number(length.readBigUInt64LE()));
  if (!elliptic) return made;
  const half = made.length / 2;
  return sequence(unsignedInteger(made.subarray(0, half)), unsignedInteger(made.subarray(half)));
}

async function rsaKey(session: Session, object: bigint): Promise<JsonWebKey> {
  const [n, e] = await read(session, object, [CKA.MODULUS, CKA.PUBLIC_EXPONENT]);
  return { kty: 'RSA', n: n?.toString('base64url') ?? '', e: e?.toString('base64url') ?? '' };
}

/** CKA_EC_POINT is an OCTET STRING around 04‖x‖y; some modules leave the wrapping away. */
async function ellipticKey(session: Session, object: bigint): Promise<JsonWebKey> {
  const [parameters, value = Buffer.alloc(0)] = await read(session, object, [CKA.EC_PARAMS, CKA.EC_POINT]);
  const crv = parameters?.equals(p384) ? 'P-384' : 'P-256';
  const width = crv === 'P-384' ? 48 : 32;
  const coordinates = value.subarray(value.length - 2 * width);
  const [x, y] = [coordinates.subarray(0, width), coordinates.subarray(width)];
  return { kty: 'EC', crv, x: x.toString('base64url'), y: y.toString('base64url') };
}

async function read(session: Session, object: bigint, types: readonly number[]): Promise<Buffer[]> {
  const room = roomFor(types, longestAttribute);
  await session.call('C_GetAttributeValue', session.handle, object, room.memory, room.count);
  return types.map((_, index) => valueAt(room, index));
}

const longestAttribute = 1024;
const longestSignature = 512;
const CKM_RSA_PKCS_KEY_PAIR_GEN = 0x00;
const CKM_RSA_PKCS = 0x01;
const CKM_EC_KEY_PAIR_GEN = 0x1040;
const CKM_ECDSA = 0x1041;

/** Object identifiers of the two curves (RFC 5480 section 2.1.1.1). */
const p256 = Buffer.from('06082a8648ce3d030107', 'hex');
const p384 = Buffer.from('06052b81040022', 'hex');
const sha256DigestInfo = Buffer.from('3031300d060960864801650304020105000420', 'hex');

const elliptic = (curve: Buffer) => ({ how: CKM_EC_KEY_PAIR_GEN, about: [[CKA.EC_PARAMS, curve]] as const });
const rsa = (bits: number) => ({
  how: CKM_RSA_PKCS_KEY_PAIR_GEN,
  about: [
    [CKA.MODULUS_BITS, bits],
    [CKA.PUBLIC_EXPONENT, Buffer.of(1, 0, 1)],
  ] as const,
});
const generation: Readonly<Record<KeyType, { how: number; about: readonly (readonly [number, AttributeValue])[] }>> = {
  'ec-p256': elliptic(p256),
  'ec-p384': elliptic(p384),
  'rsa-2048': rsa(2048),
  'rsa-4096': rsa(4096),
};
