import { expect } from 'vitest';
import { type Force, type Order, type Plan, planOrder, type Situation, type Verb } from '../../src/authority/orders.ts';
import {
  apply,
  isUsable,
  type Lifecycle,
  nextStep,
  type RotationPolicy,
  type Transition,
} from '../../src/authority/rotation.ts';
import { IdentityError } from '../../src/errors.ts';

export interface RandomOrder {
  readonly order: Verb;
  readonly which: number;
  readonly forced: readonly Force[];
  readonly crashAfter: number;
}

const day = 86_400_000;

let count = 0;
export const made = (at: number, { lifeMs }: RotationPolicy, state: Lifecycle['state'] = 'prepared'): Lifecycle => ({
  id: `${++count}`,
  kind: 'x509',
  state,
  preparedAt: at,
  activatedAt: undefined,
  retiredAt: undefined,
  taintedAt: undefined,
  notBefore: at - 10_000,
  notAfter: at + lifeMs,
});

/** One issuer's life under random events; it watches over laws 2 and 3 at every step. */
export class Timeline {
  authorities: readonly Lifecycle[] = [];
  now = 1_000 * day;
  prepares = 0;
  readonly #policy: RotationPolicy;
  readonly #lastExpiry = new Map<string, number>();
  readonly #seen = new Map<string, Lifecycle['state'] | 'gone'>();

  constructor(policy: RotationPolicy) {
    this.#policy = policy;
  }

  /** `patience`: how many steps until a crash; the steps before it were durable. */
  turn(patience: number): void {
    for (let taken = 0; taken < patience; taken++) {
      const due = nextStep(this.authorities, this.now, this.#policy);
      if (due.at > this.now) {
        this.#settled();
        return;
      }
      this.#take(due.step);
      if (taken > 50) throw new Error('rotation does not come to rest');
    }
  }

  /** What somebody orders, as far as it may be done; `crashAfter` so many steps, the process is another. */
  order({ order: verb, which, forced, crashAfter }: RandomOrder): void {
    const id = this.authorities[which]?.id;
    const signedUntil = (one: string): number => this.#lastExpiry.get(one) ?? 0;
    const situation = { authorities: this.authorities, now: this.now, policy: this.#policy, signedUntil };
    const plan = planned({ verb, kind: 'x509', id }, situation);
    if (plan === undefined || plan.needs.some(({ force }) => !forced.includes(force))) return;
    const broken = new Set(plan.needs.map(({ force }) => force));
    for (const step of plan.steps.slice(0, crashAfter)) {
      const newest = this.authorities.findLast(({ state }) => state === 'prepared')?.id ?? '';
      this.#take(step.do === 'prepare' ? { do: 'prepare' } : { do: step.do, id: step.id ?? newest }, broken);
    }
  }

  issue(ttlMs: number): void {
    const signers = this.authorities.filter(({ state }) => state === 'active');
    expect(signers.length).toBeLessThanOrEqual(1);
    const [signer] = signers;
    if (signer === undefined || this.now >= signer.notAfter) return;
    const expiry = Math.min(this.now + ttlMs, signer.notAfter);
    this.#lastExpiry.set(signer.id, Math.max(expiry, this.#lastExpiry.get(signer.id) ?? 0));
  }

  #take(step: Transition | { do: 'prepare' }, broken: ReadonlySet<Force> = new Set()): void {
    if (step.do === 'prepare') {
      this.prepares += 1;
      this.authorities = [...this.authorities, made(this.now, this.#policy)];
    } else {
      this.#lawful(step, broken);
      this.authorities = apply(this.authorities, step, this.now);
    }
    this.#onlyForward();
  }

  /** @param broken the promises that were broken by name */
  #lawful(step: Transition, broken: ReadonlySet<Force>): void {
    const target = this.authorities.find(({ id }) => id === step.id);
    // Law 2: it was published by an earlier, durable step; and is there until all that it signed has expired.
    if (step.do === 'activate') expect(this.#seen.get(step.id)).toBe('prepared');
    if (step.do === 'activate') expect(target !== undefined && isUsable(target, this.now)).toBe(true);
    if (step.do === 'forget' || (step.do === 'revoke' && !broken.has('unexpired'))) {
      expect(this.#lastExpiry.get(step.id) ?? 0).toBeLessThanOrEqual(this.now);
    }
    // Nobody is left without an authority by a word of an operator.
    if (step.do === 'taint' || step.do === 'revoke') expect(target?.state).not.toBe('active');
  }

  #onlyForward(): void {
    const ranks = { prepared: 0, active: 1, old: 2, tainted: 3, gone: 4 };
    const present = new Map(this.authorities.map(({ id, state }) => [id, state]));
    for (const [id, before] of this.#seen) {
      const after = present.get(id) ?? 'gone';
      expect(ranks[after]).toBeGreaterThanOrEqual(ranks[before]);
      this.#seen.set(id, after);
    }
    for (const [id, state] of present) this.#seen.set(id, state);
  }

  #settled(): void {
    const active = this.authorities.filter(({ state }) => state === 'active');
    expect(active).toHaveLength(1);
    expect(isUsable(active[0] as Lifecycle, this.now)).toBe(true);
  }
}

function planned(order: Order, situation: Situation): Plan | undefined {
  try {
    return planOrder(order, situation);
  } catch (error) {
    expect(error).toBeInstanceOf(IdentityError);
    return undefined;
  }
}
