/**
 * X509-SVIDs in two steps: `prepare` checks everything and writes what will be signed, from the entry and nothing else
 * (law 8); `sign` takes only what `prepare` made here, once.
 */
import { failpoint } from '../runtime/failpoint.ts';
import type { Random } from '../runtime/random.ts';
import type { Signer } from '../runtime/signer.ts';
import { commonNameOf, type Entry } from '../spiffe/entry.ts';
import { SpiffeId, type TrustDomain } from '../spiffe/id.ts';
import { verifyX509Svid } from '../spiffe/x509-svid.ts';
import { type Certificate, parseCertificate, splitCertificates } from '../x509/certificate.ts';
import { serialText } from '../x509/crl.ts';
import { type Leaf, LeafTemplate } from '../x509/template.ts';
import type { Upstream } from './journal.ts';
import { Sampling } from './sampling.ts';
import { backdated, endOf } from './validity.ts';

export interface IssuedX509Svid {
  /** Leaf first, concatenated DER, without the root. */
  readonly chain: Buffer;
  /** Hexadecimal, as openssl prints it but in lower case. */
  readonly serial: string;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly issuedAt: number;
  readonly authorityId: string;
}

export interface X509Signing {
  readonly id: string;
  readonly trustDomain: TrustDomain;
  readonly certificate: Buffer;
  readonly notAfter: number;
  readonly signer: Signer;
  /** What stands between the certificate and the roots; undefined where the certificate is a root itself. */
  readonly upstream?: Upstream | undefined;
  /** Of SVIDs whose entry does not say. */
  readonly ttlSeconds: number;
}

/** 128 bits: unpredictable and, for all time, unique (RFC 5280 section 4.1.2.2 wants at most 20 octets). */
export const serialBytes = 16;
const sampleEvery = 256;

class PreparedX509Svid {
  readonly leaf: Leaf;
  readonly tbs: Buffer;
  readonly issuedAt: number;

  constructor(leaf: Leaf, tbs: Buffer, issuedAt: number) {
    this.leaf = leaf;
    this.tbs = tbs;
    this.issuedAt = issuedAt;
  }
}

export type { PreparedX509Svid };

export class X509Issuer {
  readonly id: string;
  /** For the room alone: who is below is signed for, too. */
  readonly signing: X509Signing;
  readonly #template: LeafTemplate;
  /** Sent with every leaf. */
  readonly #above: Buffer;
  readonly #prepared = new WeakSet<PreparedX509Svid>();
  readonly #sampling = new Sampling(sampleEvery);

  constructor(authority: X509Signing) {
    this.id = authority.id;
    this.signing = authority;
    const { upstream, certificate } = authority;
    this.#above = Buffer.concat(upstream === undefined ? [] : [certificate, ...upstream.chain]);
    this.#template = LeafTemplate.compile({
      certificate: authority.certificate,
      keyType: authority.signer.keyType,
    });
  }

  prepare(entry: Entry, publicKey: Buffer, now: number, random: Random): PreparedX509Svid {
    requireOwn(entry, this.signing.trustDomain);
    const ttlSeconds = entry.x509SvidTtlSeconds || this.signing.ttlSeconds;
    const leaf: Leaf = {
      serial: random.bytes(serialBytes),
      notBefore: backdated(now),
      notAfter: endOf(now, ttlSeconds, this.signing, entry),
      uri: entry.spiffeId,
      dnsNames: entry.dnsNames,
      publicKey,
      subjectCommonName: commonNameOf(entry),
    };
    const prepared = new PreparedX509Svid(leaf, this.#template.toBeSigned(leaf), now);
    this.#prepared.add(prepared);
    return prepared;
  }

  async sign(prepared: PreparedX509Svid): Promise<IssuedX509Svid> {
    if (!this.#prepared.delete(prepared)) throw new TypeError('only what was prepared here is signed, and only once');
    const { leaf, tbs, issuedAt } = prepared;
    failpoint('issue.x509-prepared');
    const signed = this.#template.certificate(tbs, await this.signing.signer.sign(tbs, 'der'));
    const chain = inOwnMemory(signed, this.#above);
    failpoint('issue.x509-signed');
    this.#sampling.check(() => this.#check(chain, leaf, issuedAt));
    const { notBefore, notAfter } = leaf;
    return { chain, serial: serialText(leaf.serial), notBefore, notAfter, issuedAt, authorityId: this.id };
  }

  /** As a stranger would, who has the bundle and the entry. */
  #check(chain: Buffer, leaf: Leaf, issuedAt: number): void {
    const { certificate, trustDomain, upstream } = this.signing;
    const certificates = splitCertificates(chain);
    const roots = upstream?.roots ?? [certificate];
    verifyX509Svid(certificates, (asked) => (asked === trustDomain ? roots : undefined), issuedAt);
    if (!corresponds(parseCertificate(certificates[0] ?? chain), leaf))
      throw new Error('BUG: the certificate is not what the entry says');
  }
}

/** Somebody holds it for half of its life: a part of Node's pool would keep all of the 64 KiB that it is a part of. */
function inOwnMemory(leaf: Buffer, above: Buffer): Buffer {
  const chain = Buffer.allocUnsafeSlow(leaf.length + above.length);
  leaf.copy(chain);
  above.copy(chain, leaf.length);
  return chain;
}

/** An entry of another trust domain, or of the trust domain itself, is a mistake of ours: registration refuses it. */
export function requireOwn({ spiffeId }: Entry, trustDomain: TrustDomain): void {
  if (SpiffeId.trustDomain(spiffeId) !== trustDomain || SpiffeId.path(spiffeId) === '') {
    throw new TypeError('the entry is not one of a workload in this trust domain');
  }
}

const corresponds = (certificate: Certificate, leaf: Leaf): boolean =>
  certificate.uris.length === 1 &&
  certificate.uris[0] === leaf.uri &&
  certificate.dnsNames.join() === leaf.dnsNames.join() &&
  certificate.publicKey.equals(leaf.publicKey) &&
  certificate.serial.toString('hex') === serialText(leaf.serial) &&
  certificate.notBefore === leaf.notBefore &&
  certificate.notAfter === leaf.notAfter;
