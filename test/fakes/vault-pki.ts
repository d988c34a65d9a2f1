/** What Vault's and OpenBao's PKI engine answers to sign-intermediate, with a library as the authority; and how it could lie. */
import 'reflect-metadata';
import { createPrivateKey, randomBytes, type webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as x509 from '@peculiar/x509';
import { type Answer, type Asked, JsonServer } from './json-server.ts';
import type { LocalTls } from './local-tls.ts';

export interface PkiFiles {
  readonly caFile: string;
  readonly keyFile: string;
  readonly rootFile: string;
}

export interface Lie {
  readonly key?: 'other';
  readonly root?: 'other';
  readonly uris?: readonly string[];
  readonly ca?: boolean;
  readonly usage?: x509.KeyUsageFlags;
  readonly seconds?: number;
}

export class FakeVaultPki implements AsyncDisposable {
  token = 'hvs.testing';
  lie: Lie = {};
  now: () => number = Date.now;
  readonly #files: PkiFiles;
  #server: JsonServer | undefined;

  private constructor(files: PkiFiles) {
    this.#files = files;
  }

  static async start(tls: LocalTls, files: PkiFiles): Promise<FakeVaultPki> {
    const pki = new FakeVaultPki(files);
    pki.#server = await JsonServer.start((asked) => pki.#answer(asked), tls);
    return pki;
  }

  get server(): JsonServer {
    if (this.#server === undefined) throw new Error('not started');
    return this.#server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
  }

  async #answer({ method, url, headers, text }: Asked): Promise<Answer> {
    if (headers['x-vault-token'] !== this.token) return refused(403, 'permission denied');
    if (method !== 'POST' || url.pathname !== '/v1/pki/root/sign-intermediate')
      return refused(404, 'no handler for route');
    const body = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const asked = body['use_csr_values'] === true && body['format'] === 'pem' && body['max_path_length'] === 0;
    const seconds = Number(/^(\d+)s$/.exec(String(body['ttl']))?.[1]);
    const csr = new x509.Pkcs10CertificateRequest(String(body['csr']));
    if (!asked || !(seconds > 0) || !(await csr.verify())) return refused(400, 'not in this test');
    if (csr.extensions.some((one) => one instanceof x509.BasicConstraintsExtension && one.ca))
      return refused(400, 'refusing to accept CSR with Basic Constraints extension setting isCA=true');
    const [issuing_ca, root] = [this.#files.caFile, this.#files.rootFile].map((path) => readFileSync(path, 'utf8'));
    const certificate = await this.#sign(csr, this.lie.seconds ?? seconds);
    const ca_chain = [certificate, issuing_ca, this.lie.root === undefined ? root : (await stranger()).toString('pem')];
    return { status: 200, body: { data: { certificate, issuing_ca, ca_chain, serial_number: '01', expiration: 0 } } };
  }

  /** The names are taken from the request, as with `use_csr_values`; what a lie says comes in their place. */
  async #sign(csr: x509.Pkcs10CertificateRequest, seconds: number): Promise<string> {
    const { key, uris, ca = true, usage = x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign } = this.lie;
    const issuer = new x509.X509Certificate(readFileSync(this.#files.caFile, 'utf8'));
    const san = csr.extensions.find(({ type }) => type === '2.5.29.17');
    const asked = san === undefined ? [] : new x509.SubjectAlternativeNameExtension(san.rawData).names.toJSON();
    const names = uris?.map((value) => ({ type: 'url' as const, value })) ?? asked;
    const publicKey = key === undefined ? csr.publicKey : (await newKeys()).publicKey;
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: randomBytes(15).toString('hex'),
      ...{ issuer: issuer.subjectName, subject: csr.subjectName, publicKey, signingAlgorithm: ecdsa },
      notBefore: new Date(this.now() - 30_000),
      notAfter: new Date(this.now() + seconds * 1000),
      signingKey: await signingKey(this.#files.keyFile),
      extensions: [
        new x509.BasicConstraintsExtension(ca, ca ? 0 : undefined, true),
        new x509.KeyUsagesExtension(usage, true),
        new x509.SubjectAlternativeNameExtension(names),
        await x509.SubjectKeyIdentifierExtension.create(publicKey),
        await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      ],
    });
    return certificate.toString('pem');
  }
}

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const newKeys = (): Promise<webcrypto.CryptoKeyPair> => crypto.subtle.generateKey(ecdsa, true, ['sign', 'verify']);

const stranger = async (): Promise<x509.X509Certificate> =>
  x509.X509CertificateGenerator.createSelfSigned({
    ...{ name: 'CN=stranger', keys: await newKeys(), signingAlgorithm: ecdsa },
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });

function signingKey(path: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(readFileSync(path)).export({ type: 'pkcs8', format: 'der' });
  return crypto.subtle.importKey('pkcs8', new Uint8Array(der), ecdsa, false, ['sign']);
}

const refused = (status: number, error: string): Answer => ({ status, body: { errors: [error] } });
