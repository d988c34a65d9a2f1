import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import type { X509SVID, X509SVIDResponse } from '../../src/gen/workload.ts';

export interface IssueOptions {
  /** URI SANs, instead of the one SPIFFE ID. */
  readonly uris?: readonly string[];
  /** Names and addresses of a host, as a server of the web has them. */
  readonly dnsNames?: readonly string[];
  readonly addresses?: readonly string[];
  readonly notBefore?: number;
  readonly notAfter?: number;
}

/** A certificate with its key, in the forms that tests hand out. */
export interface Issued {
  readonly id: string;
  /** DER, leaf first. */
  readonly chain: readonly Buffer[];
  readonly key: KeyObject;
}

/** An X.509 authority for tests. It writes its own DER, so that it shares no mistake with the code under test. */
export class FakeCa {
  readonly trustDomain: string;
  readonly certificate: Buffer;
  readonly #issuer: Issuer;
  readonly #above: readonly Buffer[];

  /** A self-signed root of `spiffe://trustDomain`, or an intermediate below `parent`. */
  constructor(trustDomain = 'example.org', parent?: FakeCa) {
    const key = newKey();
    const name = distinguishedName(`${trustDomain} ${randomBytes(4).toString('hex')}`);
    this.trustDomain = trustDomain;
    this.#issuer = { name, key };
    this.certificate = certificate(parent === undefined ? this.#issuer : parent.#issuer, {
      ...this.#issuer,
      uris: [`spiffe://${trustDomain}`],
      dnsNames: [],
      addresses: [],
      notBefore: Date.now() - 60_000,
      notAfter: Date.now() + 86_400_000,
      ca: true,
    });
    this.#above = parent === undefined ? [] : [this.certificate, ...parent.#above];
  }

  issue(path: string, options: IssueOptions = {}): Issued {
    const id = `spiffe://${this.trustDomain}${path}`;
    const key = newKey();
    const leaf = certificate(this.#issuer, {
      name: distinguishedName('leaf'),
      key,
      uris: options.uris ?? [id],
      dnsNames: options.dnsNames ?? [],
      addresses: options.addresses ?? [],
      notBefore: options.notBefore ?? Date.now() - 10_000,
      notAfter: options.notAfter ?? Date.now() + 3_600_000,
      ca: false,
    });
    return { id, chain: [leaf, ...this.#above], key };
  }

  /** The authority's own certificate and key, as a thief would present them to a peer. */
  itself(): Issued {
    return { id: `spiffe://${this.trustDomain}`, chain: [this.certificate], key: this.#issuer.key };
  }
}

/** One SVID of a Workload API answer, with its trust domain's authorities. */
export const svidMessage = (issued: Issued, bundle: readonly Buffer[], hint = ''): X509SVID => ({
  spiffeId: issued.id,
  x509Svid: Buffer.concat(issued.chain),
  x509SvidKey: issued.key.export({ type: 'pkcs8', format: 'der' }),
  bundle: Buffer.concat(bundle),
  hint,
});

/** A whole Workload API answer; `federated` is by trust domain name. */
export const x509Answer = (
  svids: readonly X509SVID[],
  federated: Readonly<Record<string, readonly Buffer[]>> = {},
): X509SVIDResponse => ({
  svids: [...svids],
  crl: [],
  federatedBundles: new Map(Object.entries(federated).map(([td, ders]) => [`spiffe://${td}`, Buffer.concat(ders)])),
});

export const pemOf = (issued: Issued): { key: string; cert: string } => ({
  key: issued.key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  cert: issued.chain
    .map((der) => `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`)
    .join(''),
});

interface Issuer {
  readonly name: Buffer;
  readonly key: KeyObject;
}

interface Subject extends Issuer {
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly addresses: readonly string[];
  readonly notBefore: number;
  readonly notAfter: number;
  readonly ca: boolean;
}

const newKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

const publicKey = (key: KeyObject): Buffer => createPublicKey(key).export({ type: 'spki', format: 'der' });

const keyId = (key: KeyObject): Buffer => createHash('sha1').update(publicKey(key)).digest();

function certificate(issuer: Issuer, subject: Subject): Buffer {
  const signedBy = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02)); // ecdsa-with-SHA256
  const tbs = sequence(
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.of(1), randomBytes(15)),
    signedBy,
    issuer.name,
    sequence(time(subject.notBefore), time(subject.notAfter)),
    subject.name,
    publicKey(subject.key),
    der(0xa3, extensions(issuer, subject)),
  );
  return sequence(tbs, signedBy, der(0x03, Buffer.of(0), sign('sha256', tbs, issuer.key)));
}

const extensions = (issuer: Issuer, subject: Subject): Buffer =>
  sequence(
    extension(19, true, sequence(...(subject.ca ? [der(0x01, Buffer.of(0xff))] : []))),
    // keyCertSign and cRLSign, or digitalSignature
    extension(15, true, der(0x03, subject.ca ? Buffer.of(1, 0x06) : Buffer.of(7, 0x80))),
    extension(17, false, sequence(...generalNames(subject))),
    extension(14, false, der(0x04, keyId(subject.key))),
    extension(35, false, sequence(der(0x80, keyId(issuer.key)))),
  );

/** RFC 5280 section 4.2.1.6; of addresses only IPv4. */
const generalNames = ({ uris, dnsNames, addresses }: Subject): Buffer[] => [
  ...uris.map((uri) => der(0x86, Buffer.from(uri))),
  ...dnsNames.map((name) => der(0x82, Buffer.from(name))),
  ...addresses.map((address) => der(0x87, Buffer.from(address.split('.').map(Number)))),
];

/** An extension of the arc 2.5.29. */
const extension = (id: number, critical: boolean, value: Buffer): Buffer =>
  sequence(oid(0x55, 0x1d, id), ...(critical ? [der(0x01, Buffer.of(0xff))] : []), der(0x04, value));

const distinguishedName = (commonName: string): Buffer =>
  sequence(der(0x31, sequence(oid(0x55, 0x04, 0x03), der(0x0c, Buffer.from(commonName)))));

/** UTCTime: these certificates end before 2050. */
const time = (ms: number): Buffer =>
  der(0x17, Buffer.from(`${new Date(ms).toISOString().replaceAll(/[-:T]/g, '').slice(2, 14)}Z`));

const oid = (...bytes: number[]): Buffer => der(0x06, Buffer.from(bytes));

const sequence = (...parts: Buffer[]): Buffer => der(0x30, ...parts);

function der(tag: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const { length } = body;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), body]);
  if (length < 0x100) return Buffer.concat([Buffer.of(tag, 0x81, length), body]);
  return Buffer.concat([Buffer.of(tag, 0x82, length >> 8, length & 0xff), body]);
}
