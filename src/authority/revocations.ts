/**
 * Credentials that were taken back before their end. The ledger is their memory: what is here was put on record before,
 * and is read from there at a start. Forgotten once it has expired, because nobody would believe it any more.
 */
import type { Clock } from '../runtime/clock.ts';
import { Watch } from '../runtime/watch.ts';
import type { CrlReason } from '../x509/crl.ts';

export interface Revocation {
  /** Who signed it. */
  readonly authority: string;
  /** Of an X.509-SVID: hexadecimal, lower case, without leading zeros. */
  readonly serial?: string | undefined;
  /** Of a JWT-SVID. */
  readonly jti?: string | undefined;
  readonly revokedAt: number;
  /** When it would have ended by itself. */
  readonly expiresAt: number;
  readonly reason: CrlReason;
}

export class Revocations {
  readonly #clock: Clock;
  readonly #known: Map<string, Revocation>;
  /** How often something was revoked here: another number, another list. */
  readonly changes = new Watch(0);

  constructor(clock: Clock, known: Iterable<Revocation> = []) {
    this.#clock = clock;
    this.#known = new Map([...known].map((one) => [nameOf(one), one]));
    this.#forget();
  }

  /** Of X.509-SVIDs by the serial number, of JWT-SVIDs by the jti; one is never the other's. */
  has(credential: Pick<Revocation, 'serial' | 'jti'>): boolean {
    return this.#known.size > 0 && this.#known.has(nameOf(credential));
  }

  add(revocation: Revocation): void {
    this.#forget();
    this.#known.set(nameOf(revocation), revocation);
    this.changes.set(this.changes.value + 1);
  }

  /** Those that have not expired, in the order in which they were revoked. */
  list(): readonly Revocation[] {
    const now = this.#clock.now();
    return [...this.#known.values()].filter(({ expiresAt }) => now < expiresAt);
  }

  #forget(): void {
    const now = this.#clock.now();
    for (const [name, { expiresAt }] of this.#known) if (expiresAt <= now) this.#known.delete(name);
  }
}

const nameOf = ({ serial, jti }: Pick<Revocation, 'serial' | 'jti'>): string =>
  serial === undefined ? `jti ${jti}` : `serial ${serial}`;
