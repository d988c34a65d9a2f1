/** What rotation will do if nobody interferes: the same pure rules, played forward. For people who look at a timeline. */
import {
  type AuthorityKind,
  type AuthorityState,
  apply,
  authorityKinds,
  graceMs,
  type Lifecycle,
  lastStep,
  nextStep,
  type RotationPolicies,
  type RotationPolicy,
} from './rotation.ts';

/** One authority's life; what lies behind `now` has happened, the rest is planned. */
export interface Span {
  /** Empty for one that is still to be made. */
  readonly id: string;
  readonly kind: AuthorityKind;
  /** Today's; undefined for one that is still to be made. */
  readonly state: AuthorityState | undefined;
  readonly publishedAt: number;
  readonly activatesAt: number | undefined;
  readonly retiresAt: number | undefined;
  readonly taintedAt: number | undefined;
  readonly expiresAt: number;
  /** When it leaves the bundle. */
  readonly removedAt: number;
}

/** Each kind takes some ten steps in the life of an authority; a clock that stands still must not keep us here. */
const mostSteps = 1000;

export function forecast(
  authorities: readonly Lifecycle[],
  policies: RotationPolicies,
  now: number,
  until: number,
): readonly Span[] {
  return authorityKinds.flatMap((kind) => {
    const own = authorities.filter((authority) => authority.kind === kind);
    return play(kind, own, { policy: policies[kind], now, until }).map((authority) => spanOf(authority, own));
  });
}

interface Scene {
  readonly policy: RotationPolicy | undefined;
  readonly now: number;
  readonly until: number;
}

/** Every authority there is or will be, as it is when it goes or when the time is over. */
function play(kind: AuthorityKind, authorities: readonly Lifecycle[], { policy, now, until }: Scene): Lifecycle[] {
  const lives = new Map(authorities.map((authority) => [authority.id, authority]));
  let present = authorities;
  let at = now;
  for (let steps = 0; steps < mostSteps; steps++) {
    const due = policy === undefined ? lastStep(present, at) : nextStep(present, at, policy);
    at = Math.max(at, due?.at ?? Infinity);
    if (due === undefined || at > until) break;
    if (due.step.do !== 'prepare') present = apply(present, due.step, at);
    else if (policy !== undefined) present = [...present, newcomer(kind, lives.size, at, policy)];
    for (const authority of present) lives.set(authority.id, authority);
  }
  return [...lives.values()];
}

const newcomer = (kind: AuthorityKind, number: number, at: number, policy: RotationPolicy): Lifecycle => ({
  id: `to come ${number}`,
  kind,
  state: 'prepared',
  preparedAt: at,
  activatedAt: undefined,
  retiredAt: undefined,
  taintedAt: undefined,
  notBefore: at,
  notAfter: at + policy.lifeMs,
});

function spanOf(authority: Lifecycle, today: readonly Lifecycle[]): Span {
  const known = today.find(({ id }) => id === authority.id);
  const { kind, preparedAt, activatedAt, retiredAt, taintedAt, notAfter } = authority;
  return {
    id: known?.id ?? '',
    kind,
    state: known?.state,
    publishedAt: preparedAt,
    activatesAt: activatedAt,
    retiresAt: retiredAt,
    taintedAt,
    expiresAt: notAfter,
    removedAt: notAfter + graceMs(notAfter - preparedAt),
  };
}
