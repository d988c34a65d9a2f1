/** The keys of those who sign, wherever each of them is. */
import { IdentityError } from '../../errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { Signer } from '../../runtime/signer.ts';
import { type AuthorityRecord, type JournalContent, journalMissing } from '../journal.ts';
import { keyName } from '../preparation.ts';
import { keyGone } from './elsewhere.ts';
import type { KeyPlaces } from './places.ts';
import { Vigil, waitingSigner } from './vigil.ts';

type Discarded = JournalContent['discarded'];

export class Keyring {
  readonly #places: KeyPlaces;
  readonly #vigil: Vigil;
  /** Of what is prepared or active. An old one signs no more. */
  readonly #signers = new Map<string, Signer>();

  constructor(places: KeyPlaces, log: Pick<Log, 'info' | 'warn'> | undefined) {
    this.#places = places;
    this.#vigil = new Vigil(log);
  }

  /** Why an authority that should sign does not, in words. */
  get problem(): string | undefined {
    return this.#vigil.problem;
  }

  isFailing(id: string): boolean {
    return this.#vigil.isFailing(id);
  }

  signerOf(id: string): Signer | undefined {
    return this.#signers.get(id);
  }

  hold(record: AuthorityRecord, signer: Signer): void {
    this.#signers.set(record.id, this.#vigil.over(record, signer));
    this.#vigil.works(record);
  }

  release({ id }: AuthorityRecord): void {
    this.#signers.delete(id);
    this.#vigil.forget(id);
  }

  /** Undefined where it is gone, or where it is, is named by no setting. */
  async load(record: AuthorityRecord): Promise<Signer | undefined> {
    return this.#places.at(record.place)?.load(keyName(record), record.publicKey);
  }

  /** @returns whether the key is there. */
  async find(record: AuthorityRecord): Promise<boolean> {
    const signer = await this.load(record);
    if (signer !== undefined) this.hold(record, signer);
    return signer !== undefined;
  }

  /** The same, where a token that is not inserted yet is no reason to give an authority up, nor to end. */
  async findOrAwait(record: AuthorityRecord): Promise<boolean> {
    try {
      return await this.find(record);
    } catch (fault) {
      if (!(fault instanceof IdentityError && fault.code === 'unavailable')) throw fault;
      const absent = () => keyGone(keyName(record), record.place);
      this.hold(
        record,
        waitingSigner(record, () => this.load(record), absent),
      );
      this.#vigil.failed(record, fault);
      return true;
    }
  }

  /** @returns those that are still there: where nobody can go now, or where no setting leads any more. */
  async destroy(discarded: Discarded): Promise<{ readonly kept: Discarded; readonly faults: readonly unknown[] }> {
    const kept: Discarded[number][] = [];
    const faults: unknown[] = [];
    for (const key of discarded) {
      const store = this.#places.at(key.place);
      if (store === undefined) kept.push(key);
      await store?.delete(keyName(key)).catch((fault: unknown) => {
        kept.push(key);
        faults.push(fault);
      });
    }
    return { kept, faults };
  }

  /** Keys without a journal: a directory that was lost, or an issuer that shares a token without knowing. */
  async refuseStrays(journalPath: string): Promise<void> {
    for (const place of new Set(['disk', this.#places.present])) {
      const names = await this.#places.at(place)?.names();
      if (names !== undefined && names.length > 0) throw journalMissing(journalPath, place);
    }
  }
}
