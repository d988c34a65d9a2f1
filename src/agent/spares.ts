/**
 * SVIDs that are signed and that nobody holds yet: the next process of an entry is answered without waiting for a key
 * or a signature. A spare is nobody's credential until a process takes it, and is recorded then, as every other is.
 */
import type { ActiveIssuers, Authority, IssuedX509Svid } from '../authority/authority.ts';
import type { Clock } from '../runtime/clock.ts';
import { failpoint } from '../runtime/failpoint.ts';
import { type LeafKey, newLeafKey } from '../runtime/leaf-key.ts';
import type { Entry } from '../spiffe/entry.ts';

export interface SignedX509Svid {
  readonly key: LeafKey;
  readonly issued: IssuedX509Svid;
}

interface Spare extends SignedX509Svid {
  readonly revision: number;
  readonly issuer: ActiveIssuers['x509'];
}

/** Entries for which a spare is kept; the one that was asked for longest ago goes first. */
const spareLimit = 1024;
/** A spare that has lost more of its life than this is not handed out: its taker would notice. */
const staleMs = 60_000;
const staleShare = 0.05;

export class Spares {
  readonly #authority: Authority;
  readonly #clock: Clock;
  readonly #spares = new Map<string, Spare>();
  #sweeping = false;

  constructor(authority: Authority, clock: Clock) {
    this.#authority = authority;
    this.#clock = clock;
  }

  /** How many there are. */
  get size(): number {
    return this.#spares.size;
  }

  /** A signed SVID for the entry as it is now: the spare where there is a good one, else made on the spot. */
  async take(entry: Entry): Promise<SignedX509Svid> {
    const spare = this.#spares.get(entry.id);
    this.#spares.delete(entry.id);
    this.#clock.after(0, () => void this.#prepare(entry));
    return spare !== undefined && this.#isGood(spare, entry) ? spare : this.#sign(entry);
  }

  /** Of the same revision, by what signs now (another authority, or another default life, is another issuer), and young. */
  #isGood({ revision, issuer, issued }: Spare, entry: Entry): boolean {
    return this.#isFresh(issued) && revision === entry.revision && issuer === this.#authority.active.value.x509;
  }

  #isFresh({ issuedAt, notAfter }: IssuedX509Svid): boolean {
    const age = this.#clock.now() - issuedAt;
    return age >= 0 && age <= Math.min(staleMs, staleShare * (notAfter - issuedAt));
  }

  async #sign(entry: Entry): Promise<SignedX509Svid> {
    const key = newLeafKey();
    return { key, issued: await this.#authority.issueX509Svid(entry, key.publicKey) };
  }

  /** A spare that cannot be made is no loss: whoever needs the SVID hears why. */
  async #prepare(entry: Entry): Promise<void> {
    const issuer = this.#authority.active.value.x509;
    const signed = await this.#sign(entry).catch(() => undefined);
    if (signed === undefined) return;
    failpoint('agent.spare-signed');
    this.#spares.set(entry.id, { ...signed, issuer, revision: entry.revision });
    if (this.#spares.size > spareLimit) this.#spares.delete(this.#spares.keys().next().value ?? '');
    this.#sweep();
  }

  /** Keys that nobody will be given do not stay: of entries that are gone, or that nobody asks for any more. */
  #sweep(): void {
    if (this.#sweeping) return;
    this.#sweeping = true;
    this.#clock.after(staleMs, () => {
      this.#sweeping = false;
      for (const [entryId, { issued }] of this.#spares) if (!this.#isFresh(issued)) this.#spares.delete(entryId);
      if (this.#spares.size > 0) this.#sweep();
    });
  }
}
