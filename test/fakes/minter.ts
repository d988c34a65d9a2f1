/** Mints certificates with @peculiar/x509 and WebCrypto: an independent hand, which writes whatever it is told. */
import './reflect.ts';
import type { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

type KeyAlgorithm = 'P-256' | 'P-384' | 'P-521' | 'RSA' | 'Ed25519';

export interface MintOptions {
  readonly subject?: string;
  readonly issuer?: Minted | undefined;
  /** The issuer's name, where it is to differ from that of the issuer. */
  readonly issuerName?: string;
  /** Signs with this key instead of the issuer's. */
  readonly signedBy?: Minted;
  readonly ca?: boolean | { readonly pathLength: number };
  readonly keyUsage?: number | undefined;
  readonly keyUsageCritical?: boolean;
  readonly uris?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly sanCritical?: boolean;
  readonly purposes?: readonly string[];
  readonly extensions?: readonly x509.Extension[];
  readonly notBefore?: string;
  readonly notAfter?: string;
  readonly key?: KeyAlgorithm;
  readonly serial?: string;
  readonly withoutKeyIds?: boolean;
}

export interface Minted {
  readonly der: Buffer;
  readonly subject: string;
  readonly keys: webcrypto.CryptoKeyPair;
}

export const usage = x509.KeyUsageFlags;
export const purpose = { server: x509.ExtendedKeyUsage.serverAuth, client: x509.ExtendedKeyUsage.clientAuth };

/** A leaf of an SVID unless told otherwise; a CA has keyCertSign. Valid from 2026 to 2027. */
export async function mint(options: MintOptions = {}): Promise<Minted> {
  const { issuer, subject = 'CN=leaf', key = 'P-256' } = options;
  const keys = await newKeys(key);
  const signer = options.signedBy?.keys ?? issuer?.keys ?? keys;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: options.serial ?? '0102030405060708',
    subject,
    issuer: options.issuerName ?? issuer?.subject ?? subject,
    notBefore: new Date(options.notBefore ?? '2026-01-01T00:00:00Z'),
    notAfter: new Date(options.notAfter ?? '2027-01-01T00:00:00Z'),
    publicKey: keys.publicKey,
    signingKey: signer.privateKey,
    signingAlgorithm: signingAlgorithm(signer.privateKey),
    extensions: await extensionsOf(options, keys, signer),
  });
  return { der: Buffer.from(certificate.rawData), subject, keys };
}

/** A CA of `spiffe://td`, self-signed or below `issuer`. */
export const mintCa = (trustDomain: string, options: MintOptions = {}): Promise<Minted> =>
  mint({ ca: true, subject: `CN=CA of ${trustDomain}`, uris: [`spiffe://${trustDomain}`], ...options });

/** Any extension, by its object identifier and the DER of its value. */
export const extension = (id: string, critical: boolean, value: Uint8Array): x509.Extension =>
  new x509.Extension(id, critical, new Uint8Array(value));

async function extensionsOf(
  options: MintOptions,
  keys: webcrypto.CryptoKeyPair,
  signer: webcrypto.CryptoKeyPair,
): Promise<x509.Extension[]> {
  const { ca = false, uris = [], dnsNames = [], purposes = [] } = options;
  const pathLength = typeof ca === 'object' ? ca.pathLength : undefined;
  const keyUsage = 'keyUsage' in options ? options.keyUsage : ca ? usage.keyCertSign : usage.digitalSignature;
  const names = [
    ...uris.map((value) => ({ type: 'url' as const, value })),
    ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
  ];
  const keyIds = options.withoutKeyIds
    ? []
    : [
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
        await x509.AuthorityKeyIdentifierExtension.create(signer.publicKey),
      ];
  return [
    new x509.BasicConstraintsExtension(ca !== false, pathLength, true),
    ...(keyUsage === undefined ? [] : [new x509.KeyUsagesExtension(keyUsage, options.keyUsageCritical ?? true)]),
    ...(purposes.length === 0 ? [] : [new x509.ExtendedKeyUsageExtension([...purposes])]),
    ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names, options.sanCritical ?? false)]),
    ...keyIds,
    ...(options.extensions ?? []),
  ];
}

async function newKeys(key: KeyAlgorithm): Promise<webcrypto.CryptoKeyPair> {
  const uses: webcrypto.KeyUsage[] = ['sign', 'verify'];
  if (key === 'Ed25519') return (await crypto.subtle.generateKey(key, true, uses)) as webcrypto.CryptoKeyPair;
  if (key !== 'RSA') return crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: key }, true, uses);
  const rsa = {
    name: 'RSASSA-PKCS1-v1_5',
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: 'SHA-256',
  };
  return crypto.subtle.generateKey(rsa, true, uses);
}

function signingAlgorithm({ algorithm }: webcrypto.CryptoKey): webcrypto.EcdsaParams | webcrypto.Algorithm {
  if (algorithm.name !== 'ECDSA') return { name: algorithm.name };
  const { namedCurve } = algorithm as webcrypto.EcKeyAlgorithm;
  return { name: 'ECDSA', hash: namedCurve === 'P-521' ? 'SHA-512' : namedCurve === 'P-384' ? 'SHA-384' : 'SHA-256' };
}
