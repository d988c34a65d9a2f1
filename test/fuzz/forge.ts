/**
 * Certificates that say whatever they are told, well-formed or not. Keys follow from their names, so that what one run
 * found still means something to the next; the DER is written here, so that no mistake is shared with what is tested.
 */
import {
  createECDH,
  createHash,
  createPrivateKey,
  createPublicKey as createPublic,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  sign,
} from 'node:crypto';

export interface Identity {
  /** commonName; '' for an empty name. */
  readonly subject: string;
  /** The key's name: P-256, unless it begins with `rsa`, `p384`, `p521` or `ed25519`. */
  readonly key: string;
}

export interface Forgery extends Identity {
  readonly issuer?: Identity;
  readonly extensions?: readonly Buffer[];
  readonly serial?: Buffer;
  /** 2 stands for version 3. */
  readonly version?: number | undefined;
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly validity?: Buffer;
  readonly publicKey?: Buffer;
  /** AlgorithmIdentifiers: what is signed, and what stands beside the signature. */
  readonly inner?: Buffer;
  readonly outer?: Buffer;
}

export const der = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts);
  const { length } = body;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), body]);
  if (length < 0x100) return Buffer.concat([Buffer.of(tag, 0x81, length), body]);
  return Buffer.concat([Buffer.of(tag, 0x82, length >> 8, length & 0xff), body]);
};
export const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);
export const oid = (dotted: string): Buffer => {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return der(0x06, Buffer.from([first * 40 + second, ...rest].flatMap(base128)));
};

const base128 = (arc: number): number[] =>
  arc < 128 ? [arc] : [...base128(Math.floor(arc / 128)).map((byte) => byte | 0x80), arc % 128];

export function toBeSigned(forgery: Forgery): Buffer {
  const { issuer = forgery, version = 2, serial = Buffer.of(0x51, 0x0f), inner = algorithmOf(issuer.key) } = forgery;
  const { notBefore = Date.UTC(2026, 0, 1), notAfter = Date.UTC(2036, 0, 1), extensions = [] } = forgery;
  return sequence(
    ...(version === 0 ? [] : [der(0xa0, der(2, Buffer.of(version)))]),
    der(2, serial),
    inner,
    nameOf(issuer.subject),
    forgery.validity ?? sequence(time(notBefore), time(notAfter)),
    nameOf(forgery.subject),
    forgery.publicKey ?? publicKeyOf(forgery.key),
    ...(extensions.length === 0 ? [] : [der(0xa3, sequence(...extensions))]),
  );
}

export const signedBy = (key: string, tbs: Buffer, outer = algorithmOf(key)): Buffer =>
  sequence(tbs, outer, der(3, Buffer.of(0), sign(key.startsWith('ed25519') ? null : 'sha256', tbs, keyOf(key))));

export const forge = (forgery: Forgery): Buffer =>
  signedBy((forgery.issuer ?? forgery).key, toBeSigned(forgery), forgery.outer);

export const nameOf = (commonName: string): Buffer =>
  commonName === '' ? sequence() : sequence(der(0x31, sequence(oid('2.5.4.3'), der(0x0c, Buffer.from(commonName)))));

/** UTCTime, or GeneralizedTime from 2050 on. */
export function time(at: number): Buffer {
  const text = `${new Date(at).toISOString().replaceAll(/[-:T]/g, '').slice(0, 14)}Z`;
  return text >= '2050' ? der(0x18, Buffer.from(text)) : der(0x17, Buffer.from(text.slice(2)));
}

export const extension = (id: string, critical: boolean, value: Uint8Array): Buffer =>
  sequence(oid(id), ...(critical ? [der(1, Buffer.of(0xff))] : []), der(4, value));

export const basicConstraints = (ca: boolean, pathLength?: number, critical = true): Buffer =>
  extension(
    '2.5.29.19',
    critical,
    sequence(
      ...(ca ? [der(1, Buffer.of(0xff))] : []),
      ...(pathLength === undefined ? [] : [der(2, Buffer.of(pathLength))]),
    ),
  );

/** Bits by number: 0 digitalSignature, 2 keyEncipherment, 5 keyCertSign, 6 cRLSign. */
export function keyUsage(bits: readonly number[], critical = true): Buffer {
  const value = bits.reduce((sum, bit) => sum | (0x80 >> bit), 0);
  const unused = value === 0 ? 0 : 31 - Math.clz32(value & -value);
  return extension('2.5.29.15', critical, der(3, Buffer.of(unused), ...(value === 0 ? [] : [Buffer.of(value)])));
}

export const purposes = (...ids: readonly string[]): Buffer => extension('2.5.29.37', false, sequence(...ids.map(oid)));
export const serverAuth = '1.3.6.1.5.5.7.3.1';
export const clientAuth = '1.3.6.1.5.5.7.3.2';

export const uri = (text: string | Buffer): Buffer => der(0x86, Buffer.from(text as string, 'latin1'));
export const dns = (text: string): Buffer => der(0x82, Buffer.from(text, 'latin1'));
export const names = (critical: boolean, ...all: readonly Buffer[]): Buffer =>
  extension('2.5.29.17', critical, sequence(...all));

export const nameConstraints = (permitted: readonly Buffer[], excluded: readonly Buffer[], critical = true): Buffer => {
  const subtrees = (tag: number, bases: readonly Buffer[]): Buffer[] =>
    bases.length === 0 ? [] : [der(tag, ...bases.map((base) => sequence(base)))];
  return extension('2.5.29.30', critical, sequence(...subtrees(0xa0, permitted), ...subtrees(0xa1, excluded)));
};

export const subjectKeyId = (key: string): Buffer => extension('2.5.29.14', false, der(4, keyId(key)));
export const authorityKeyId = (key: string): Buffer => extension('2.5.29.35', false, sequence(der(0x80, keyId(key))));

const keyId = (key: string): Buffer => createHash('sha1').update(publicKeyOf(key)).digest();

export const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'));
const rsaWithSha256 = sequence(oid('1.2.840.113549.1.1.11'), der(5));
const ed25519 = sequence(oid('1.3.101.112'));

const algorithmOf = (key: string): Buffer =>
  key.startsWith('rsa') ? rsaWithSha256 : key.startsWith('ed25519') ? ed25519 : ecdsaWithSha256;

const keys = new Map<string, KeyObject>();

export function keyOf(name: string): KeyObject {
  const key = keys.get(name) ?? newKey(name);
  keys.set(name, key);
  return key;
}

export const publicKeyOf = (name: string): Buffer =>
  Buffer.from(createPublic(keyOf(name)).export({ type: 'spki', format: 'der' }));

function newKey(name: string): KeyObject {
  if (name.startsWith('rsa')) {
    return generateKeyPairSync('rsa', { modulusLength: Number(/^rsa(\d+)/.exec(name)?.[1] ?? 2048) }).privateKey;
  }
  if (name.startsWith('ed25519')) return generateKeyPairSync('ed25519').privateKey;
  if (name.startsWith('p521')) return generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey;
  if (name.startsWith('p384')) return generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
  const curve = createECDH('prime256v1');
  curve.setPrivateKey(createHash('sha256').update(`forged ${name}`).digest());
  const point = curve.getPublicKey();
  const [d, x, y] = [curve.getPrivateKey(), point.subarray(1, 33), point.subarray(33)].map((one) => padded(one));
  return createPrivateKey({ key: { kty: 'EC', crv: 'P-256', d, x, y } as JsonWebKey, format: 'jwk' });
}

const padded = (bytes: Buffer): string => Buffer.concat([Buffer.alloc(32 - bytes.length), bytes]).toString('base64url');
