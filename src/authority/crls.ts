/** One revocation list for each X.509 authority that is published: signed anew when something on it changes. */
import type { Clock } from '../runtime/clock.ts';
import type { Signer } from '../runtime/signer.ts';
import { Watch } from '../runtime/watch.ts';
import { parseCertificate } from '../x509/certificate.ts';
import { crlToBeSigned, signedCrl } from '../x509/crl.ts';
import { signatureAlgorithmOf } from '../x509/signature.ts';
import type { AuthorityRecord } from './journal.ts';
import type { Revocations } from './revocations.ts';
import { graceMs } from './rotation.ts';
import { backdated } from './validity.ts';

/** All lists at one time. */
export interface CrlSet {
  /** Another number for every other content. */
  readonly version: number;
  /** DER, in the order of the authorities. */
  readonly lists: readonly Buffer[];
}

interface Listed {
  readonly crl: Buffer;
  readonly serials: string;
}

export class Crls {
  readonly all = new Watch<CrlSet>({ version: 0, lists: [] });
  readonly #clock: Clock;
  readonly #revocations: Revocations;
  readonly #listed = new Map<string, Listed>();
  #lastNumber = 0n;

  constructor(clock: Clock, revocations: Revocations) {
    this.#clock = clock;
    this.#revocations = revocations;
  }

  /**
   * Brings the lists up to date. An authority whose key cannot be had now keeps the list that it has.
   * @param signerOf the key of an authority, an old one's too
   */
  async update(
    authorities: readonly AuthorityRecord[],
    signerOf: (record: AuthorityRecord) => Promise<Signer | undefined>,
  ): Promise<void> {
    const concerned = authorities.filter(({ certificate }) => certificate !== undefined);
    let changed = concerned.length !== this.all.value.lists.length;
    for (const record of concerned) changed = (await this.#refresh(record, signerOf)) || changed;
    for (const id of this.#listed.keys()) if (!concerned.some((record) => record.id === id)) this.#listed.delete(id);
    if (!changed) return;
    const lists = concerned.flatMap(({ id }) => this.#listed.get(id)?.crl ?? []);
    this.all.set({ version: this.all.value.version + 1, lists });
  }

  async #refresh(
    record: AuthorityRecord,
    signerOf: (record: AuthorityRecord) => Promise<Signer | undefined>,
  ): Promise<boolean> {
    const revoked = this.#revocations
      .list()
      .flatMap(({ authority, serial = '', revokedAt, reason }) =>
        authority === record.id && serial !== '' ? [{ serial, at: revokedAt, reason }] : [],
      );
    const serials = revoked.map(({ serial }) => serial).join();
    if (this.#listed.get(record.id)?.serials === serials) return false;
    const signer = await signerOf(record).catch(() => undefined);
    if (signer === undefined || record.certificate === undefined) return false;
    const { subject, subjectKeyId = Buffer.alloc(0) } = parseCertificate(record.certificate);
    const algorithm = signatureAlgorithmOf(signer.keyType);
    const now = this.#clock.now();
    const tbs = crlToBeSigned({
      ...{ issuer: subject, keyId: subjectKeyId, algorithm, number: this.#nextNumber(now), revoked },
      thisUpdate: backdated(now),
      // Changes are pushed. Without one it is good for as long as the authority is published.
      nextUpdate: Math.max(now, record.notAfter) + graceMs(record.notAfter - record.preparedAt),
    });
    const signature = await signatureOf(signer, tbs).catch(() => undefined);
    if (signature === undefined) return false;
    this.#listed.set(record.id, { crl: signedCrl(tbs, algorithm, signature), serials });
    return true;
  }

  /** Grows also over a restart: the milliseconds since the epoch, or one more than the last. */
  #nextNumber(now: number): bigint {
    const next = this.#lastNumber + 1n;
    this.#lastNumber = BigInt(now) > next ? BigInt(now) : next;
    return this.#lastNumber;
  }
}

const signatureOf = async (signer: Signer, tbs: Buffer): Promise<Buffer> => signer.sign(tbs, 'der');
