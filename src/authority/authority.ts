import { IdentityError } from '../errors.ts';
import type { KeyType } from '../runtime/signer.ts';
import type { Watch } from '../runtime/watch.ts';
import type { AudienceAlgorithm } from '../spiffe/audience.ts';
import type { Bundle } from '../spiffe/bundle.ts';
import type { Entry } from '../spiffe/entry.ts';
import type { TokenKey } from '../spiffe/oidc.ts';
import { certificateRequest, type IntermediateCertificate } from './certificate.ts';
import type { CrlSet } from './crls.ts';
import { forecast, type Span } from './forecast.ts';
import type { IssuedJwtSvid, JwtIssuer, TokenRequest } from './issue-jwt.ts';
import type { IssuedX509Svid } from './issue-x509.ts';
import type { Upstream } from './journal.ts';
import type { KeyPlaceSettings } from './keys/places.ts';
import type { KeyStore } from './keys.ts';
import { Following, type NestedUpstream } from './nested/above.ts';
import { type AuthorityBelow, Below, type IssuersBelow, issuersBelow } from './nested/below.ts';
import type { JwtKey, KeyBelow, NestedEvent, Trust } from './nested/trust.ts';
import { type AuthorityOptions, partsOf } from './options.ts';
import {
  type Force,
  forces,
  type Need,
  type Order,
  type OrderedStep,
  type Plan,
  planOrder,
  type Verb,
} from './orders.ts';
import type { Revocation, Revocations } from './revocations.ts';
import {
  type AuthorityKind,
  type AuthorityState,
  authorityKinds,
  publishLeadMs,
  type RotationPolicy,
  type SvidType,
} from './rotation.ts';
import { RotationLoop } from './rotation-loop.ts';
import type { AuthorityEvent, Orderer } from './steps.ts';
import { type ActiveIssuers, Succession } from './succession.ts';
import type { Vouched } from './upstream.ts';
import type { UpstreamSettings } from './upstreams/open.ts';
import type { VaultAuth } from './vault-login.ts';

export type {
  ActiveIssuers,
  AuthorityBelow,
  AuthorityEvent,
  AuthorityKind,
  AuthorityOptions,
  CrlSet,
  IntermediateCertificate,
  IssuedJwtSvid,
  IssuedX509Svid,
  JwtKey,
  KeyBelow,
  KeyPlaceSettings,
  KeyStore,
  NestedEvent,
  NestedUpstream,
  Revocation,
  Trust,
  Upstream,
  UpstreamSettings,
  VaultAuth,
  Vouched,
};
export {
  authorityKinds,
  certificateRequest,
  type Force,
  forces,
  type Need,
  type Order,
  type OrderedStep,
  type Orderer,
  type Plan,
  type Span,
  type Verb,
};

export interface AuthoritySummary {
  readonly id: string;
  readonly kind: AuthorityKind;
  readonly keyType: KeyType;
  readonly state: AuthorityState;
  readonly preparedAt: number;
  /** When it began to sign, or will; undefined where that is not decided. */
  readonly activatesAt: number | undefined;
  readonly retiredAt: number | undefined;
  readonly taintedAt: number | undefined;
  /** Where its key is. */
  readonly place: string;
  readonly expiresAt: number;
}

export interface Authority {
  /** Holds an authority before it signs, and until all that it signed has expired (law 2). */
  readonly bundle: Watch<Bundle>;
  /** Changes when another authority takes over: whoever holds an SVID compares `authorityId` with the `id` in here. */
  readonly active: Watch<ActiveIssuers>;
  /** Ids of those whose signatures may be held on to: published, and not tainted. Whoever holds another's asks anew. */
  readonly standing: Watch<ReadonlySet<string>>;
  /** What relying parties verify tokens with: those that sign now first. */
  readonly tokenKeys: Watch<readonly TokenKey[]>;
  /** How long a key of tokens is published before it signs, unless somebody orders otherwise. */
  readonly tokenKeyLeadMs: number;
  /** Revocation lists: one for each X.509 authority in the bundle. */
  readonly crls: Watch<CrlSet>;
  /** What was taken back and has not expired. */
  readonly revocations: Pick<Revocations, 'has' | 'list' | 'changes'>;
  /** Why rotation does not go on, for the operator; issuing does, to the end of the authority that is active. */
  readonly problem: string | undefined;
  authorities(): readonly AuthoritySummary[];
  /** When each authority is or will be published, signs, retires and goes, up to `until`; those to come included. */
  timeline(until: number): readonly Span[];
  /**
   * What an order would do, and which promises it breaks.
   * @param signedUntil when the last credential that an authority signed ends
   */
  plan(order: Order, signedUntil: (id: string) => number): Plan;
  /** Lives of SVIDs whose entry does not say, from the next one on. */
  setTtl(ttlSeconds: Readonly<Record<SvidType, number>>): void;
  /** Takes back what is on record as taken back; resolves once the lists say so. */
  revoke(revocation: Revocation): Promise<void>;
  /** Takes one step of a plan. @returns the id of the authority that it was about */
  take(step: OrderedStep, by: Orderer): Promise<string>;
  /** @param publicKey SubjectPublicKeyInfo of the workload's key */
  issueX509Svid(entry: Entry, publicKey: Buffer): Promise<IssuedX509Svid>;
  /** @param request signed as its terms say, where it is for somebody outside SPIFFE */
  issueJwtSvid(entry: Entry, audience: readonly string[], request?: TokenRequest): Promise<IssuedJwtSvid>;
  /** For issuers of the same trust domain that stand below this one. */
  readonly below: IssuersBelow;
  close(): Promise<void>;
}

/** Resolves once one authority of each kind that is wanted is published and active. */
export async function openAuthority(options: AuthorityOptions): Promise<Authority> {
  const parts = partsOf(options);
  if (!parts.journal.isNew) options.opened?.(parts.journal.content.sequence);
  const succession = await Succession.open(parts);
  const following = new Following(parts, succession);
  const below = new Below(parts, succession);
  const loop = new RotationLoop(succession, options.clock, [() => following.turn(), () => below.forgetEnded()]);
  const heard = options.above?.trust.onChange(() => {
    // What fails is tried again, with growing pauses, by the loop.
    void loop.between(() => following.turn()).catch(() => loop.turn());
  });
  await loop.turn();
  const missing = authorityKinds.find((kind) => kind in parts.policies && succession.active.value[kind] === undefined);
  if (missing !== undefined) {
    heard?.[Symbol.dispose]();
    await loop.close();
    throw loop.fault;
  }
  return new OpenAuthority({ options, revocations: parts.revocations, succession, loop, below, heard });
}

interface OpenParts {
  readonly options: AuthorityOptions;
  readonly revocations: Revocations;
  readonly succession: Succession;
  readonly loop: RotationLoop;
  readonly below: Below;
  readonly heard: Disposable | undefined;
}

class OpenAuthority implements Authority {
  readonly #options: AuthorityOptions;
  readonly revocations: Revocations;
  readonly #succession: Succession;
  readonly #loop: RotationLoop;
  readonly below: IssuersBelow;
  readonly #heard: Disposable | undefined;

  constructor({ options, revocations, succession, loop, below, heard }: OpenParts) {
    this.#options = options;
    this.revocations = revocations;
    this.#succession = succession;
    this.#loop = loop;
    this.below = issuersBelow(below, loop, () => this.#issuer('x509'));
    this.#heard = heard;
  }

  get bundle(): Watch<Bundle> {
    return this.#succession.bundle;
  }

  get active(): Watch<ActiveIssuers> {
    return this.#succession.active;
  }

  get tokenKeys(): Watch<readonly TokenKey[]> {
    return this.#succession.tokenKeys.all;
  }

  get tokenKeyLeadMs(): number {
    const policy = this.#policy('jwt');
    return publishLeadMs(policy.lifeMs, policy);
  }

  get crls(): Watch<CrlSet> {
    return this.#succession.crls.all;
  }

  get standing(): Watch<ReadonlySet<string>> {
    return this.#succession.standing;
  }

  get problem(): string | undefined {
    return this.#loop.problem;
  }

  authorities(): readonly AuthoritySummary[] {
    const now = this.#options.clock.now();
    return this.#succession.authorities.map((record) => {
      const { id, kind, keyType, place, state, preparedAt, activatedAt, retiredAt, taintedAt } = record;
      const due = this.#succession.due(kind, now);
      const plannedAt = due?.step.do === 'activate' && due.step.id === id ? due.at : undefined;
      const activatesAt = activatedAt ?? plannedAt;
      return {
        ...{ id, kind, keyType, place, state, preparedAt, activatesAt, retiredAt, taintedAt },
        expiresAt: record.notAfter,
      };
    });
  }

  timeline(until: number): readonly Span[] {
    const { authorities, policies } = this.#succession;
    return forecast(authorities, policies, this.#options.clock.now(), until);
  }

  plan(order: Order, signedUntil: (id: string) => number): Plan {
    const { authorities } = this.#succession;
    const policy = this.#policy(order.kind);
    return planOrder(order, { authorities, policy, signedUntil, now: this.#options.clock.now() });
  }

  setTtl(ttlSeconds: Readonly<Record<SvidType, number>>): void {
    this.#succession.setTtl(ttlSeconds, Math.max(ttlSeconds.x509, ttlSeconds.jwt) * 1000);
  }

  revoke(revocation: Revocation): Promise<void> {
    this.revocations.add(revocation);
    return this.#loop.between(() => this.#succession.listRevoked());
  }

  take({ do: step, kind, id }: OrderedStep, by: Orderer): Promise<string> {
    return this.#loop
      .between(async () => {
        const before = new Set(this.#succession.authorities.map((authority) => authority.id));
        if (step === 'prepare') await this.#succession.take(kind, { do: 'prepare' }, by);
        else await this.#succession.take(kind, { do: step, id: id ?? this.#newest(kind) }, by);
        const made = this.#succession.authorities.find((authority) => !before.has(authority.id));
        return made?.id ?? id ?? '';
      })
      .finally(() => {
        // What was revoked leaves the bundle above, too.
        if (step === 'revoke' && this.#options.above !== undefined) void this.#loop.turn();
      });
  }

  #policy(kind: AuthorityKind): RotationPolicy {
    const policy = this.#succession.policies[kind];
    if (policy !== undefined) return policy;
    const message = `there is no ${kind} authority, and none will be: it is there for an issuer, see docs/operate/oidc.md`;
    throw new IdentityError('failed-precondition', message);
  }

  #newest(kind: AuthorityKind): string {
    return this.#succession.authorities.findLast((one) => one.kind === kind && one.state === 'prepared')?.id ?? '';
  }

  async issueX509Svid(entry: Entry, publicKey: Buffer): Promise<IssuedX509Svid> {
    const { clock, random } = this.#options;
    const issuer = await this.#issuer('x509');
    return issuer.sign(issuer.prepare(entry, publicKey, clock.now(), random));
  }

  async issueJwtSvid(entry: Entry, audience: readonly string[], request?: TokenRequest): Promise<IssuedJwtSvid> {
    const { clock, random } = this.#options;
    const issuer = await this.#tokenIssuer(request?.terms.algorithm);
    return issuer.sign(issuer.prepare(entry, audience, clock.now(), random, request));
  }

  close(): Promise<void> {
    this.#heard?.[Symbol.dispose]();
    return this.#loop.close();
  }

  /** One that signs with that algorithm. Another's signature would be refused where the token is shown: none is given. */
  async #tokenIssuer(algorithm: AudienceAlgorithm | undefined): Promise<JwtIssuer> {
    const beside = algorithm === 'RS256' && 'jwt-rsa' in this.#succession.policies;
    const issuer = await this.#issuer(beside ? 'jwt-rsa' : 'jwt');
    if (algorithm === undefined || issuer.algorithm === algorithm) return issuer;
    const message = `This audience takes ${algorithm} and nothing here signs it: see docs/operate/oidc.md`;
    throw new IdentityError('failed-precondition', message, { reason: 'no-such-algorithm' });
  }

  /** After a suspend or a jump of the clock the first caller does not wait for the timer. */
  async #issuer<K extends AuthorityKind>(kind: K): Promise<NonNullable<ActiveIssuers[K]>> {
    if (!this.#succession.canSign(kind, this.#options.clock.now())) await this.#loop.turn();
    const issuer = this.#succession.active.value[kind];
    if (issuer === undefined)
      throw new IdentityError('unavailable', 'No authority can sign now', { cause: this.#loop.fault });
    return issuer;
  }
}
