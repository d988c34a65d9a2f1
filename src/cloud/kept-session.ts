/**
 * A session that is renewed while it is used: asked for once, however many wait for it; served from memory; renewed in the
 * background long before it ends, because AWS's SDKs take one that ends within minutes for none; and not served any more when
 * the identity that it rests on was withdrawn.
 */
import type { IdentityError } from '../errors.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Random } from '../runtime/random.ts';

interface Ending {
  readonly expiresAt: number;
}

export interface KeptSessionParts<T extends Ending> {
  readonly obtain: () => Promise<T>;
  readonly clock: Clock;
  readonly random: Random;
  /** A renewal failed, and what was there is still served. */
  readonly failed: (error: unknown) => void;
}

/** botocore renews what has less than fifteen minutes left, others what has five. */
const renewBeforeMs = 20 * 60_000;
/** After a failure: how long until the next try; then twice as long, and so on. */
const firstPauseMs = 1_000;
const longestPauseMs = 60_000;

export class KeptSession<T extends Ending> {
  readonly #parts: KeptSessionParts<T>;
  #held: { readonly session: T; readonly renewAt: number } | undefined;
  #underWay: Promise<T> | undefined;
  #trouble: { readonly error: unknown; readonly until: number } | undefined;
  #failures = 0;
  #withdrawn: IdentityError | undefined;

  constructor(parts: KeptSessionParts<T>) {
    this.#parts = parts;
  }

  /** @throws what the newest attempt threw, for a moment, so that whoever asks again and again does not make us do so too */
  async get(): Promise<T> {
    if (this.#withdrawn !== undefined) throw this.#withdrawn;
    const now = this.#parts.clock.now();
    const { session, renewAt } = this.#held ?? {};
    if (session === undefined || renewAt === undefined || now >= session.expiresAt) return this.#renew(now);
    if (now >= renewAt) this.#renew(now).catch(() => undefined);
    return session;
  }

  /** The identity is not ours any more: what was obtained with it is not handed out again. */
  withdraw(error: IdentityError): void {
    this.#withdrawn = error;
    this.#held = undefined;
  }

  /** It is ours again. */
  restore(): void {
    if (this.#withdrawn === undefined) return;
    this.#withdrawn = undefined;
    this.#trouble = undefined;
  }

  async #renew(now: number): Promise<T> {
    if (this.#trouble !== undefined && now < this.#trouble.until) throw this.#trouble.error;
    this.#underWay ??= this.#obtain().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  async #obtain(): Promise<T> {
    const { obtain, clock, random, failed } = this.#parts;
    try {
      const session = await obtain();
      if (this.#withdrawn !== undefined) throw this.#withdrawn;
      this.#held = { session, renewAt: renewalOf(session, clock.now(), random.fraction()) };
      this.#trouble = undefined;
      this.#failures = 0;
      return session;
    } catch (error) {
      const pause = Math.min(firstPauseMs * 2 ** this.#failures, longestPauseMs) * (1 + random.fraction());
      this.#trouble = { error, until: clock.now() + pause };
      this.#failures = Math.min(this.#failures + 1, 16);
      if (this.#held !== undefined) failed(error);
      throw error;
    }
  }
}

/** Twenty minutes before its end, give or take a few, or at half of its life where that is later. */
function renewalOf({ expiresAt }: Ending, now: number, fraction: number): number {
  const life = expiresAt - now;
  return expiresAt - Math.min(renewBeforeMs, life / 2) * (1 - 0.2 * fraction);
}
