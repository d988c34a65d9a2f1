/**
 * Takes the steps that rotation plans, each in the same order: on record, durable, published, used. Whatever is cut
 * when, what the journal says after the next start is a state from which rotation goes on.
 */
import { IdentityError } from '../errors.ts';
import { failpoint } from '../runtime/failpoint.ts';
import { Watch } from '../runtime/watch.ts';
import type { Bundle } from '../spiffe/bundle.ts';
import type { Issuer } from '../spiffe/issuer.ts';
import { Crls } from './crls.ts';
import { JwtIssuer } from './issue-jwt.ts';
import { X509Issuer } from './issue-x509.ts';
import type { AuthorityRecord } from './journal.ts';
import { Keyring } from './keys/keyring.ts';
import { asKey, endsWithAbove, type NestedUpstream } from './nested/above.ts';
import type { NestedContent } from './nested/trust.ts';
import { type PreparationParts, prepareAuthority } from './preparation.ts';
import { bundleOf, ofKind, standingOf } from './publication.ts';
import type { Revocations } from './revocations.ts';
import {
  type AuthorityKind,
  apply,
  type Due,
  isUsable,
  lastMoment,
  lastStep,
  nextStep,
  type RotationPolicies,
  type Step,
  type SvidType,
  svidTypeOf,
} from './rotation.ts';
import type { AuthorityEvent, Orderer, StepReason, Verb } from './steps.ts';
import { TokenKeys, type TokenKeysParts } from './token-keys.ts';

export interface SuccessionParts extends PreparationParts, TokenKeysParts {
  readonly revocations: Revocations;
  readonly ttlSeconds: Readonly<Record<SvidType, number>>;
  /** `iss` of every token; without one they have none. */
  readonly issuer: Issuer | undefined;
  readonly refreshHintSeconds: number;
  /** The issuer above, where there is one. */
  readonly above: NestedUpstream | undefined;
  /** Resolves once the event is on the disk. */
  readonly record: (event: AuthorityEvent) => Promise<void>;
}

export interface ActiveIssuers {
  readonly x509: X509Issuer | undefined;
  readonly jwt: JwtIssuer | undefined;
  readonly 'jwt-rsa'?: JwtIssuer | undefined;
}

export class Succession {
  readonly bundle: Watch<Bundle>;
  /** Who signs now; another object whenever one of them changed. */
  readonly active = new Watch<ActiveIssuers>({ x509: undefined, jwt: undefined });
  /** Ids of those whose signatures may be held on to: published, and not tainted. */
  readonly standing: Watch<ReadonlySet<string>>;
  readonly tokenKeys: TokenKeys;
  /** Who was taken back; one list for each X.509 authority in the bundle. */
  readonly crls: Crls;
  #parts: SuccessionParts;
  readonly #keyring: Keyring;

  private constructor(parts: SuccessionParts) {
    this.#parts = parts;
    this.#keyring = new Keyring(parts.keyPlaces, parts.log);
    this.bundle = new Watch(bundleOf(parts));
    this.standing = new Watch(standingOf(parts));
    this.tokenKeys = new TokenKeys(parts);
    this.crls = new Crls(parts.clock, parts.revocations);
  }

  /** @throws IdentityError 'data-loss' when a key is not the one that was published */
  static async open(parts: SuccessionParts): Promise<Succession> {
    const succession = new Succession(parts);
    if (parts.journal.isNew) await succession.#keyring.refuseStrays(parts.journal.path);
    for (const record of succession.authorities) if (isHeld(record)) await succession.#hold(record);
    for (const record of succession.authorities) if (record.state === 'active') succession.#setIssuer(record);
    for (const record of succession.authorities)
      if (isHeld(record)) await succession.tokenKeys.certify(record, succession.#keyring.signerOf(record.id));
    succession.tokenKeys.tell(parts.journal.content);
    await succession.listRevoked();
    return succession;
  }

  get policies(): RotationPolicies {
    return this.#parts.policies;
  }

  /** Why an authority that should sign does not, in words. */
  get problem(): string | undefined {
    return this.#keyring.problem;
  }

  get authorities(): readonly AuthorityRecord[] {
    return this.#parts.journal.content.authorities;
  }

  /** Undefined where nothing will ever be. */
  due(kind: AuthorityKind, now: number): Due | undefined {
    const [own, policy] = [ofKind(this.authorities, kind), this.#parts.policies[kind]];
    if (policy === undefined) return lastStep(own, now);
    const due = nextStep(own, now, policy);
    const signer = this.#signer(kind, now);
    if (due.step.do !== 'prepare' || signer === undefined) return due;
    if (!endsWithAbove(signer, this.#parts.above?.trust.value)) return due;
    return { ...due, at: Math.max(due.at, lastMoment(signer)) };
  }

  canSign(kind: AuthorityKind, now: number): boolean {
    return this.#signer(kind, now) !== undefined;
  }

  #signer(kind: AuthorityKind, now: number): AuthorityRecord | undefined {
    return this.authorities.find((one) => one.kind === kind && one.state === 'active' && isUsable(one, now));
  }

  /** What rotation has planned. */
  async takeDue(kind: AuthorityKind, step: Step): Promise<void> {
    if (step.do !== 'prepare') return this.take(kind, step);
    await this.#prepare(kind, undefined, this.#signer(kind, this.#parts.clock.now())?.notAfter);
  }

  /** @param by who ordered it, where it was not simply due */
  async take(kind: AuthorityKind, step: Step, by?: Orderer): Promise<void> {
    if (step.do === 'prepare') return this.#prepare(kind, by);
    const record = this.authorities.find(({ id }) => id === step.id);
    if (record === undefined) throw new TypeError('no such authority');
    if (step.do === 'activate') return this.#activate(record, by);
    if (step.do === 'retire') return this.#retire(record, 'expired');
    if (step.do === 'taint') return this.#taint(record, by);
    return this.#forget(
      record,
      step.do === 'revoke' ? { verb: 'revoked', by } : { verb: 'removed', reason: 'expired' },
    );
  }

  /** Publishes what is not ours beside what is. */
  async publishBeside(change: Partial<NestedContent>): Promise<void> {
    this.#parts.journal.write({ ...change, sequence: this.#nextSequence() });
    await this.#publish();
  }

  /** At once, whatever it was: it is believed no more. */
  async remove(record: AuthorityRecord, reason: 'upstream-tainted' | 'upstream-gone'): Promise<void> {
    if (record.state === 'active') await this.#retire(record, reason);
    await this.#forget(record, { verb: 'removed', reason });
  }

  /** Lives of SVIDs whose entry does not say, from the next one on. */
  setTtl(ttlSeconds: SuccessionParts['ttlSeconds'], longestTtlMs: number): void {
    const policies = Object.entries(this.#parts.policies).map(([kind, policy]) => [kind, { ...policy, longestTtlMs }]);
    this.#parts = { ...this.#parts, ttlSeconds, policies: Object.fromEntries(policies) };
    for (const record of this.authorities) if (record.state === 'active') this.#setIssuer(record);
  }

  /** Signs the revocation lists that are not up to date. */
  listRevoked(): Promise<void> {
    const keyring = this.#keyring;
    return this.crls.update(this.authorities, async (record) => keyring.signerOf(record.id) ?? keyring.load(record));
  }

  /** Deletes the keys of authorities that are gone. */
  async clean(): Promise<void> {
    const { journal } = this.#parts;
    const { kept, faults } = await this.#keyring.destroy(journal.content.discarded);
    if (kept.length < journal.content.discarded.length) {
      failpoint('authority.key-deleted');
      journal.write({ discarded: kept });
      failpoint('authority.cleaned');
    }
    if (faults.length > 0) throw faults[0];
  }

  /** Keys that failed are tried, so that it is known when they are back; one that is gone for good is succeeded. */
  async recover(): Promise<void> {
    for (const record of this.authorities) {
      if (!this.#keyring.isFailing(record.id)) continue;
      if (!(await this.#keyring.find(record))) await this.#giveUp(record);
      else {
        if (record.state === 'active') this.#setIssuer(record);
        await this.tokenKeys.certify(record, this.#keyring.signerOf(record.id));
        this.tokenKeys.tell(this.#parts.journal.content);
      }
    }
  }

  async #prepare(kind: AuthorityKind, by: Orderer | undefined, outlive?: number): Promise<void> {
    const { journal, above } = this.#parts;
    const { record, signer } = await prepareAuthority(kind, this.#parts, outlive);
    failpoint('authority.described');
    if (kind !== 'x509') await above?.publish(asKey(record));
    await this.#record('prepared', record, { by });
    failpoint('authority.prepared-recorded');
    journal.write({
      sequence: this.#nextSequence(),
      planned: journal.content.planned.filter(({ id }) => id !== record.id),
      authorities: [...journal.content.authorities, record],
    });
    failpoint('authority.prepared-journaled');
    this.#keyring.hold(record, signer);
    await this.tokenKeys.certify(record, this.#keyring.signerOf(record.id));
    await this.#publish();
    failpoint('authority.published');
  }

  async #activate(record: AuthorityRecord, by: Orderer | undefined): Promise<void> {
    const { journal, clock } = this.#parts;
    const published = journal.reread().authorities.some(({ id, publicKey }) => {
      return id === record.id && publicKey.equals(record.publicKey);
    });
    if (!published) throw new IdentityError('data-loss', `${journal.path} was replaced while mayfly ran: start again`);
    failpoint('authority.reread');
    const previous = ofKind(this.authorities, record.kind).find(({ state }) => state === 'active');
    await this.#record('activated', record, { by });
    failpoint('authority.activated-recorded');
    if (previous !== undefined) await this.#record('retired', previous, { reason: 'succeeded', by });
    journal.write({ authorities: apply(this.authorities, { do: 'activate', id: record.id }, clock.now()) });
    failpoint('authority.activated-journaled');
    if (previous !== undefined) this.#keyring.release(previous);
    this.#setIssuer(record);
    this.tokenKeys.tell(this.#parts.journal.content);
    failpoint('authority.active');
  }

  async #retire(record: AuthorityRecord, reason: NonNullable<StepReason['reason']>): Promise<void> {
    const { journal, clock } = this.#parts;
    await this.#record('retired', record, { reason });
    failpoint('authority.retired-recorded');
    journal.write({ authorities: apply(this.authorities, { do: 'retire', id: record.id }, clock.now()) });
    failpoint('authority.retired-journaled');
    this.#keyring.release(record);
    this.active.set({ ...this.active.value, [record.kind]: undefined });
    this.tokenKeys.tell(this.#parts.journal.content);
  }

  /** Still published: what it signed is believed until it has been signed anew. */
  async #taint(record: AuthorityRecord, by: Orderer | undefined): Promise<void> {
    const { journal, clock } = this.#parts;
    await this.#record('tainted', record, { by });
    failpoint('authority.tainted-recorded');
    journal.write({ authorities: apply(this.authorities, { do: 'taint', id: record.id }, clock.now()) });
    failpoint('authority.tainted-journaled');
    this.standing.set(standingOf(this.#parts));
    this.tokenKeys.tell(this.#parts.journal.content);
    failpoint('authority.tainted');
  }

  async #forget(
    record: AuthorityRecord,
    { verb, ...why }: StepReason & { readonly verb: 'removed' | 'revoked' },
  ): Promise<void> {
    const { journal, clock, above } = this.#parts;
    const { id, kind, place } = record;
    await this.#record(verb, record, why);
    failpoint('authority.removed-recorded');
    const step = { do: verb === 'revoked' ? 'revoke' : 'forget', id } as const;
    journal.write({
      sequence: this.#nextSequence(),
      authorities: apply(this.authorities, step, clock.now()),
      discarded: [...journal.content.discarded, { id, kind, place }],
      ...(above !== undefined && kind !== 'x509' && verb === 'revoked'
        ? { withdrawn: [...journal.content.withdrawn, id] }
        : {}),
    });
    failpoint('authority.removed-journaled');
    this.#keyring.release(record);
    await this.#publish();
    failpoint('authority.removed-published');
    await this.clean();
  }

  /** What was prepared where no keys are made any more is not used: the next one is made where they are now. */
  async #hold(record: AuthorityRecord): Promise<void> {
    const { keyPlaces } = this.#parts;
    if (record.state === 'prepared' && record.place !== keyPlaces.present) {
      return this.#forget(record, { verb: 'removed', reason: 'key-moved' });
    }
    if (!(await this.#keyring.findOrAwait(record))) await this.#giveUp(record);
  }

  /** A key that is gone is not waited for: its authority steps down, stays published, and another follows. */
  async #giveUp(record: AuthorityRecord): Promise<void> {
    if (record.state === 'active') await this.#retire(record, 'key-missing');
    else await this.#forget(record, { verb: 'removed', reason: 'key-missing' });
  }

  #setIssuer(record: AuthorityRecord): void {
    const { id, kind, notAfter, certificate, upstream } = record;
    const signer = this.#keyring.signerOf(id);
    if (signer === undefined) return;
    const { trustDomain, ttlSeconds, issuer: url } = this.#parts;
    const signing = { id, trustDomain, notAfter, signer, ttlSeconds: ttlSeconds[svidTypeOf(kind)] };
    const issuer =
      certificate === undefined
        ? new JwtIssuer({ ...signing, issuer: url })
        : new X509Issuer({ ...signing, certificate, upstream });
    this.active.set({ ...this.active.value, [kind]: issuer });
  }

  /** Who stands is told first: whoever hears of the bundle then signs with the right one. */
  async #publish(): Promise<void> {
    this.standing.set(standingOf(this.#parts));
    await this.listRevoked();
    this.bundle.set(bundleOf(this.#parts));
    this.tokenKeys.tell(this.#parts.journal.content);
  }

  /** Never below the seconds since the epoch: a directory that was restored or begun anew still goes on from above. */
  #nextSequence(): bigint {
    const { journal, clock } = this.#parts;
    const next = journal.content.sequence + 1n;
    const seconds = BigInt(Math.floor(clock.now() / 1000));
    return next > seconds ? next : seconds;
  }

  #record(verb: Verb, record: AuthorityRecord, { reason, by }: StepReason): Promise<void> {
    const { id, kind, notBefore, notAfter } = record;
    const event = { kind: `authority.${verb}`, authority: id, use: kind, notBefore, notAfter } as const;
    return this.#parts.record({ ...event, ...(reason === undefined ? {} : { reason }), ...by });
  }
}

/** Keys of those that sign no more are not needed. */
const isHeld = ({ state }: AuthorityRecord): boolean => state === 'prepared' || state === 'active';
