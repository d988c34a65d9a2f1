/**
 * When which authority must do what. Authorities of every kind live the same life:
 *
 *   prepared ──▶ active ──▶ old ──▶ gone
 *                            ╰──▶ tainted ──▶ gone
 *
 * Prepared is published and signs nothing yet; active signs; old signs no more and stays published until all it signed
 * has expired. Tainted is an old one whose key may be in other hands: still published, so that nothing breaks, while
 * everything it signed is signed anew; then it is revoked. Everything here is a function of state and time: who carries
 * the steps out decides nothing.
 */
export type AuthorityKind = SvidType | 'jwt-rsa';
/** `jwt-rsa` is beside `jwt` where an issuer serves relying parties that take RS256 alone. */
export const authorityKinds: readonly AuthorityKind[] = ['x509', 'jwt', 'jwt-rsa'];
/** What they sign. */
export type SvidType = 'x509' | 'jwt';
export const svidTypeOf = (kind: AuthorityKind): SvidType => (kind === 'x509' ? 'x509' : 'jwt');

export type AuthorityState = 'prepared' | 'active' | 'old' | 'tainted';

/** What the plan knows of one authority. Nothing it signs ends after `notAfter`. */
export interface Lifecycle {
  readonly id: string;
  readonly kind: AuthorityKind;
  readonly state: AuthorityState;
  readonly preparedAt: number;
  readonly activatedAt: number | undefined;
  readonly retiredAt: number | undefined;
  readonly taintedAt: number | undefined;
  readonly notBefore: number;
  readonly notAfter: number;
}

export type Transition = { readonly do: 'activate' | 'retire' | 'taint' | 'revoke' | 'forget'; readonly id: string };
export type Step = { readonly do: 'prepare' } | Transition;

export interface Due {
  /** Now or earlier: the step is due. */
  readonly at: number;
  readonly step: Step;
}

export interface RotationPolicy {
  readonly lifeMs: number;
  /** The longest credential that should still fit into an authority's life when it is signed. */
  readonly longestTtlMs: number;
  /** From publication to first use, so that those who poll the bundle have seen it (SPIFFE Federation section 4.1). */
  readonly publishLeadMs: number;
}

/** Without a policy nothing follows what there is of a kind. */
export type RotationPolicies = Readonly<Partial<Record<AuthorityKind, RotationPolicy>>>;

/** Credentials may take at most half of an authority's life from its time to sign, or it would be replaced without end. */
const largestTtlShare = 1 / 2;
/** The last sixth of a life is for those who renew late. */
const restShare = 1 / 6;
const largestLeadShare = 1 / 6;
const longestGraceMs = 3_600_000;

/** The one step that is due at `now`, or the next one there will be, over the authorities of one kind. */
export function nextStep(authorities: readonly Lifecycle[], now: number, policy: RotationPolicy): Due {
  const dues = rules.flatMap((rule) => rule(authorities, now, policy));
  return firstOf(dues, now) as Due;
}

/** The same where the settings want no more of this kind: what there is signs to its end and goes, and nothing follows. */
export function lastStep(authorities: readonly Lifecycle[], now: number): Due | undefined {
  return firstOf([...retirement(authorities), ...oblivion(authorities)], now);
}

const firstOf = (dues: readonly Due[], now: number): Due | undefined =>
  dues.find(({ at }) => at <= now) ??
  dues.reduce<Due | undefined>((first, due) => (first !== undefined && first.at <= due.at ? first : due), undefined);

/** All authorities once a step was taken. Of a kind at most one is active: the one before it becomes old with the step. */
export function apply<A extends Lifecycle>(authorities: readonly A[], step: Transition, now: number): readonly A[] {
  const { from, to } = transitions[step.do];
  const target = authorities.find(({ id }) => id === step.id);
  if (target === undefined || !from.includes(target.state)) {
    throw new TypeError(`cannot ${step.do} an authority that is ${target?.state ?? 'unknown'}`);
  }
  if (to === undefined) return authorities.filter((authority) => authority !== target);
  return authorities.map((authority) => {
    if (authority === target) return { ...authority, state: to, [since[to]]: authority[since[to]] ?? now };
    const succeeded = to === 'active' && authority.state === 'active' && authority.kind === target.kind;
    return succeeded ? { ...authority, state: 'old', retiredAt: now } : authority;
  });
}

/** Which moment of a life a state began with. */
const since = { active: 'activatedAt', old: 'retiredAt', tainted: 'taintedAt' } as const;

/** May it sign at `now`? It does not, after a clock was set back to before it was made: nobody would believe it yet. */
export const isUsable = ({ notBefore, notAfter }: Lifecycle, now: number): boolean =>
  notBefore <= now && now < notAfter;

/** How long an authority stays published after its end, for clocks that are behind ours, or that ours ran ahead of. */
export const graceMs = (life: number): number => Math.min(life, longestGraceMs);

/** From when on it is late to have no successor. */
export const lastMoment = ({ preparedAt, notAfter }: Lifecycle): number =>
  notAfter - (notAfter - preparedAt) * restShare;

export const publishLeadMs = (life: number, policy: RotationPolicy): number =>
  Math.min(policy.publishLeadMs, life * largestLeadShare);

const transitions: Readonly<
  Record<Transition['do'], { from: readonly AuthorityState[]; to: Exclude<AuthorityState, 'prepared'> | undefined }>
> = {
  activate: { from: ['prepared'], to: 'active' },
  retire: { from: ['active'], to: 'old' },
  taint: { from: ['old'], to: 'tainted' },
  // Somebody's word: what it signed is believed no more.
  revoke: { from: ['prepared', 'old', 'tainted'], to: undefined },
  // A prepared authority that never signed can go at any time; an old one only when the rule below says so.
  forget: { from: ['prepared', 'old', 'tainted'], to: undefined },
};

type Rule = (authorities: readonly Lifecycle[], now: number, policy: RotationPolicy) => readonly Due[];
type Ending = (authorities: readonly Lifecycle[]) => readonly Due[];

/** An authority that has ended signs no more, even while there is none to follow it. */
const retirement: Ending = (authorities) =>
  authorities
    .filter(({ state }) => state === 'active')
    .map(({ id, notAfter }) => ({ at: notAfter, step: { do: 'retire', id } }));

/** Prepare and activate: in good time, or at once where nobody can sign. */
const succession: Rule = (authorities, now, policy) => {
  const signer = authorities.find((authority) => authority.state === 'active' && isUsable(authority, now));
  const heir = heirOf(authorities, signer, now);
  const at = signer === undefined ? now : succeedsAt(signer, heir, policy);
  return [{ at, step: heir === undefined ? { do: 'prepare' } : { do: 'activate', id: heir.id } }];
};

/** By the clock's own word all that it signed has expired. A clock set back afterwards brings nothing back. */
const oblivion: Ending = (authorities) =>
  authorities
    .filter(({ state }) => state !== 'active')
    .map(({ id, preparedAt, notAfter }) => ({
      at: notAfter + graceMs(notAfter - preparedAt),
      step: { do: 'forget', id },
    }));

/** In order of precedence. */
const rules: readonly Rule[] = [retirement, succession, oblivion];

/** The prepared authority that can sign the longest, where that is longer than the present one can. */
export const heirOf = (
  authorities: readonly Lifecycle[],
  signer: Lifecycle | undefined,
  now: number,
): Lifecycle | undefined =>
  authorities
    .filter((authority) => authority.state === 'prepared' && isUsable(authority, now))
    .filter(({ notAfter }) => signer === undefined || notAfter > signer.notAfter)
    .reduce<Lifecycle | undefined>((last, next) => (last && last.notAfter >= next.notAfter ? last : next), undefined);

/** When an heir is made, at half of the signer's life or earlier; and when it takes over, never before it is known. */
function succeedsAt(signer: Lifecycle, heir: Lifecycle | undefined, policy: RotationPolicy): number {
  const life = signer.notAfter - signer.preparedAt;
  const lead = publishLeadMs(life, policy);
  const handover = signer.notAfter - Math.max(life * restShare, Math.min(policy.longestTtlMs, life * largestTtlShare));
  if (heir === undefined) return Math.min(signer.notAfter - life / 2, handover - lead);
  return Math.max(handover, heir.preparedAt + lead);
}
