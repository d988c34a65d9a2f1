/**
 * The issuer above this one: its trust is ours, our JWT keys are its own to publish, and an authority of ours stands as
 * long as the one of its that signed it.
 */
import { IdentityError } from '../../errors.ts';
import type { Clock } from '../../runtime/clock.ts';
import { failpoint } from '../../runtime/failpoint.ts';
import type { Watch } from '../../runtime/watch.ts';
import { parseCertificate } from '../../x509/certificate.ts';
import { parsePublicKey } from '../../x509/public-key.ts';
import type { AuthorityRecord, Journal } from '../journal.ts';
import { isUsable } from '../rotation.ts';
import type { Succession } from '../succession.ts';
import { type UpstreamAuthority, wrong } from '../upstream.ts';
import { type JwtKey, type KeyBelow, type NestedEvent, sameTrust, type Trust } from './trust.ts';

export interface NestedUpstream extends UpstreamAuthority {
  /** The newest that was heard from it since the start. */
  readonly trust: Watch<Trust | undefined>;
  /** Resolves once the key is durably in its bundle. */
  publish(key: KeyBelow): Promise<void>;
  withdraw(id: string): Promise<void>;
}

export interface FollowingParts {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly record: (event: NestedEvent) => Promise<void>;
  readonly above: NestedUpstream | undefined;
}

/** Why an authority of ours must not go on. Tainted: what it signed is signed anew; gone: it is believed no more. */
type Fall = 'upstream-tainted' | 'upstream-gone';

export class Following {
  readonly #parts: FollowingParts;
  readonly #succession: Succession;

  constructor(parts: FollowingParts, succession: Succession) {
    this.#parts = parts;
    this.#succession = succession;
  }

  /** Brings ours in line with the newest word from above. Doing it twice is doing it once; what fails is tried again. */
  async turn(): Promise<void> {
    const { above, journal } = this.#parts;
    if (above === undefined) {
      if (journal.content.above !== undefined) await this.#succession.publishBeside({ above: undefined });
      return;
    }
    const heard = above.trust.value;
    if (heard === undefined) return;
    checkTrust(heard, above.name, this.#ownKeys());
    await this.#leaveFallen(heard);
    await this.#note(heard);
    for (const key of this.#ownKeys()) if (!isAmong(heard.jwtKeys, key)) await above.publish(key);
    for (const id of journal.content.withdrawn) {
      await above.withdraw(id);
      failpoint('upstream.key-withdrawn');
      journal.write({ withdrawn: journal.content.withdrawn.filter((other) => other !== id) });
      failpoint('upstream.withdrawal-journaled');
    }
  }

  /** Of ours and of everybody below, as long as they may be needed. */
  #ownKeys(): readonly KeyBelow[] {
    const now = this.#parts.clock.now();
    const { authorities, below } = this.#parts.journal.content;
    const own = authorities.filter(({ kind }) => kind !== 'x509');
    return [...own.map(asKey), ...below].filter(({ expiresAt }) => now < expiresAt);
  }

  async #note(heard: Trust): Promise<void> {
    const { above, journal, record } = this.#parts;
    if (above === undefined) return;
    const { name: from } = above;
    if (sameTrust(journal.content.above, { from, ...heard })) return;
    const counts = { x509Authorities: heard.x509Authorities.length, jwtKeys: heard.jwtKeys.length };
    await record({ kind: 'upstream.heard', from, ...counts });
    failpoint('upstream.heard-recorded');
    await this.#succession.publishBeside({ above: { from, ...heard } });
    failpoint('upstream.heard');
  }

  async #leaveFallen(heard: Trust): Promise<void> {
    const fallOf = (record: AuthorityRecord): Fall | undefined => this.#fallOf(record, heard);
    const fallen = this.#fallen(fallOf);
    if (fallen.length === 0) return;
    failpoint('upstream.fallen');
    const fault = fallen.some(({ state }) => state === 'active') ? await this.#replace(fallOf) : undefined;
    failpoint('upstream.replaced');
    for (const { id } of fallen) {
      const record = this.#succession.authorities.find((one) => one.id === id);
      if (record !== undefined) await this.#leave(record, fallOf(record));
      failpoint('upstream.left');
    }
    if (fault !== undefined) throw fault;
  }

  async #leave(record: AuthorityRecord, fall: Fall | undefined): Promise<void> {
    if (fall === 'upstream-gone' || (fall !== undefined && record.state === 'prepared')) {
      return this.#succession.remove(record, fall);
    }
    // One that could not be replaced signs on: nobody refuses it yet.
    if (fall === 'upstream-tainted' && record.state === 'old') {
      await this.#succession.take('x509', { do: 'taint', id: record.id });
    }
  }

  #fallen(fallOf: (record: AuthorityRecord) => Fall | undefined): readonly AuthorityRecord[] {
    return this.#succession.authorities.filter((record) => {
      const fall = fallOf(record);
      return fall === 'upstream-gone' || (fall === 'upstream-tainted' && record.state !== 'tainted');
    });
  }

  /** Who signed them was published above long ago: nobody has to be waited for. @returns why there is none */
  async #replace(fallOf: (record: AuthorityRecord) => Fall | undefined): Promise<unknown> {
    const heirIn = (): AuthorityRecord | undefined =>
      this.#succession.authorities.find(
        (one) =>
          one.kind === 'x509' &&
          one.state === 'prepared' &&
          isUsable(one, this.#parts.clock.now()) &&
          fallOf(one) === undefined,
      );
    try {
      if (heirIn() === undefined) await this.#succession.take('x509', { do: 'prepare' });
      const heir = heirIn();
      if (heir === undefined)
        throw wrong(this.#parts.above?.name ?? '', 'a certificate by an authority that has fallen');
      await this.#succession.take('x509', { do: 'activate', id: heir.id });
      return undefined;
    } catch (fault) {
      return fault;
    }
  }

  #fallOf({ kind, upstream, notAfter }: AuthorityRecord, heard: Trust): Fall | undefined {
    const issuer = issuerOf({ upstream });
    if (kind !== 'x509' || issuer === undefined || notAfter <= this.#parts.clock.now()) return undefined;
    const voucher = heard.vouchers.find(({ certificate }) => certificate.equals(issuer));
    if (voucher !== undefined) return voucher.tainted ? 'upstream-tainted' : undefined;
    const { above } = this.#parts.journal.content;
    const known = above?.from === this.#parts.above?.name ? above?.vouchers : undefined;
    return known?.some(({ certificate }) => certificate.equals(issuer)) ? 'upstream-gone' : undefined;
  }
}

/** Does an authority end with the one above that signs now? Then nothing longer is to be had before that is succeeded. */
export function endsWithAbove({ upstream, notAfter }: AuthorityRecord, heard: Trust | undefined): boolean {
  const issuer = issuerOf({ upstream });
  const signs = heard?.vouchers.some(({ certificate, signs }) => signs && issuer?.equals(certificate)) ?? false;
  return signs && issuer !== undefined && parseCertificate(issuer).notAfter <= notAfter;
}

const issuerOf = ({ upstream }: Pick<AuthorityRecord, 'upstream'>): Buffer | undefined =>
  upstream?.chain[0] ?? upstream?.roots[0];

export const asKey = ({ id, publicKey, preparedAt, notAfter }: AuthorityRecord): KeyBelow => ({
  ...{ id, publicKey },
  ...{ publishedAt: preparedAt, expiresAt: notAfter },
});

/** A trust domain has some ten of each. */
const most = 1024;

/** Fault row 14: an issuer above may be wrong. What cannot be is not believed, and the last that could be stays. */
function checkTrust({ x509Authorities, jwtKeys, vouchers }: Trust, name: string, own: readonly JwtKey[]): void {
  if (x509Authorities.length === 0) throw wrong(name, 'a bundle without X.509 authorities');
  if (Math.max(x509Authorities.length, jwtKeys.length, vouchers.length) > most)
    throw wrong(name, `more than ${most} keys`);
  if (!read(x509Authorities).every(({ isCa }) => isCa))
    throw wrong(name, 'a bundle with a certificate of no authority');
  read(vouchers.map(({ certificate }) => certificate));
  for (const { publicKey } of jwtKeys) parsePublicKey(publicKey);
  if (new Set(jwtKeys.map(({ id }) => id)).size < jwtKeys.length) throw wrong(name, 'two JWT keys with one id');
  const twisted = own.some((key) =>
    jwtKeys.some((other) => other.id === key.id && !other.publicKey.equals(key.publicKey)),
  );
  if (twisted) throw wrong(name, 'another key under the id of one of ours');

  function read(certificates: readonly Buffer[]) {
    try {
      return certificates.map(parseCertificate);
    } catch (cause) {
      throw wrong(
        name,
        `a certificate that cannot be read (${cause instanceof IdentityError ? cause.message : cause})`,
        cause,
      );
    }
  }
}

const isAmong = (keys: readonly JwtKey[], key: JwtKey): boolean => keys.some(({ id }) => id === key.id);
