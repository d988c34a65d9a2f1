/** Credentials for one process: signed, on record, and only then held. Law 5 is kept here and nowhere else. */
import type { Authority } from '../authority/authority.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Audiences } from '../registry/registry.ts';
import type { Clock } from '../runtime/clock.ts';
import { failpoint } from '../runtime/failpoint.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Random } from '../runtime/random.ts';
import type { Entry } from '../spiffe/entry.ts';
import { factsOf, type HeldJwtSvid, type HeldX509Svid, type Instance, subjectOf, tokenKey } from './instance.ts';
import { Spares } from './spares.ts';

export interface IssuanceParts {
  readonly authority: Authority;
  /** What a token for somebody must be. */
  readonly audiences: Pick<Audiences, 'terms'>;
  readonly ledger: Ledger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
}

/** Renewal is due at half of an SVID's life, give or take this share of it, so that neighbours spread (SE-28). */
const renewalJitter = 0.1;
/** After a renewal that failed: how long until the next try. */
const retryMs = 5_000;

interface Checks {
  /** Throws unless the process is still what it was. */
  readonly assertSame: (instance: Instance) => void;
}

export class Issuance {
  readonly #parts: IssuanceParts & Checks;
  readonly #spares: Spares;

  constructor(parts: IssuanceParts & Checks) {
    this.#parts = parts;
    this.#spares = new Spares(parts.authority, parts.clock);
  }

  /** What the process holds for each entry, renewed where that is due. What it holds for others is dropped. */
  async x509(instance: Instance, entries: readonly Entry[]): Promise<HeldX509Svid[]> {
    const { clock, authority } = this.#parts;
    const [now, standing] = [clock.now(), authority.standing.value];
    const kept = new Set(entries.map(({ id }) => id));
    for (const id of instance.x509.keys()) if (!kept.has(id)) instance.x509.delete(id);
    const lasts = (held: HeldX509Svid | undefined, entry: Entry): held is HeldX509Svid =>
      isGood(held, entry, now) && standing.has(held.authority) && !authority.revocations.has(held);
    // Once for all that is about to be signed: nothing is even made for what the process is no longer.
    if (!entries.every((entry) => lasts(instance.x509.get(entry.id), entry))) this.#parts.assertSame(instance);
    return Promise.all(
      entries.map((entry) => {
        const held = instance.x509.get(entry.id);
        return lasts(held, entry) ? held : this.#renew(instance, entry, held);
      }),
    );
  }

  /** A JWT-SVID for that audience: the one this very process was given before, until half of its life, else a new one. */
  async jwt(instance: Instance, entry: Entry, audience: readonly string[]): Promise<HeldJwtSvid> {
    const { authority, ledger, metrics, clock, audiences } = this.#parts;
    const terms = audiences.terms(audience);
    const key = tokenKey(entry, audience, terms);
    const known = terms.singleUse ? undefined : instance.token(key, entry, clock.now(), authority.standing.value);
    if (known !== undefined && !authority.revocations.has({ jti: known.jti })) return known;
    const { token, jti, issuedAt, expiresAt, authorityId } = await authority.issueJwtSvid(entry, audience, {
      terms,
      facts: factsOf(instance),
    });
    failpoint('agent.jwt-signed');
    await ledger.append({
      kind: 'jwt-svid.issued',
      ...subjectOf(instance),
      ...groundsOf(entry),
      jti,
      audience,
      expiresAt,
      authority: authorityId,
    });
    failpoint('agent.jwt-recorded');
    metrics.issued.inc({ type: 'jwt' });
    const reuseUntil = issuedAt + (expiresAt - issuedAt) / 2;
    const held = { entry, token, jti, authority: authorityId, issuedAt, expiresAt, reuseUntil };
    // One that is not given again is remembered by its own name: its holder may yet say what it exchanges it for.
    instance.keepToken(terms.singleUse ? jti : key, held);
    failpoint('agent.jwt-held');
    return held;
  }

  /** A renewal that fails keeps what is still valid; a first issue that fails is the caller's error. */
  async #renew(instance: Instance, entry: Entry, held: HeldX509Svid | undefined): Promise<HeldX509Svid> {
    const svid = await this.#issue(instance, entry).catch((error: unknown) => {
      const now = this.#parts.clock.now();
      if (held === undefined || held.entry.revision !== entry.revision || now >= held.notAfter) throw error;
      if (this.#parts.authority.revocations.has(held)) throw error;
      // Not beyond its end: what has ended is not held.
      return { ...held, renewAt: Math.min(now + retryMs, held.notAfter) };
    });
    instance.x509.set(entry.id, svid);
    failpoint('agent.x509-held');
    return svid;
  }

  async #issue(instance: Instance, entry: Entry): Promise<HeldX509Svid> {
    const { ledger, metrics, random } = this.#parts;
    const { key, issued } = await this.#spares.take(entry);
    failpoint('agent.x509-signed');
    const { chain, serial, notBefore, notAfter, issuedAt, authorityId } = issued;
    await ledger.append({
      kind: 'x509-svid.issued',
      ...subjectOf(instance),
      ...groundsOf(entry),
      serial,
      notBefore,
      notAfter,
      authority: authorityId,
    });
    failpoint('agent.x509-recorded');
    metrics.issued.inc({ type: 'x509' });
    const renewAt = renewalOf(entry, issuedAt, notAfter, random.fraction());
    return { entry, chain, privateKey: key.privateKey, serial, authority: authorityId, notBefore, notAfter, renewAt };
  }
}

/** Of this revision, not due, and not of the future either: the clock may have been ahead, and was put right. */
const isGood = (held: HeldX509Svid | undefined, entry: Entry, now: number): held is HeldX509Svid =>
  held !== undefined && held.entry.revision === entry.revision && held.notBefore <= now && now < held.renewAt;

/** Why it was owed, and who answers for that. */
const groundsOf = ({ id, revision, spiffeId, owner }: Entry) => ({ entry: id, revision, spiffeId, owner });

/** At half of its life, spread by `fraction`; never for one that ends with its entry, because no other would live longer. */
function renewalOf(entry: Entry, issuedAt: number, notAfter: number, fraction: number): number {
  if (entry.expiresAt !== undefined && entry.expiresAt - notAfter <= 1000) return Infinity;
  return issuedAt + ((notAfter - issuedAt) / 2) * (1 + renewalJitter * (2 * fraction - 1));
}
