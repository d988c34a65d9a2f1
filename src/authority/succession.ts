/**
 * Takes the steps that rotation plans, each in the same order: on record, durable, published, used. Whatever is cut
 * when, what the journal says after the next start is a state from which rotation goes on.
 */
import { createPublicKey } from 'node:crypto';
import { IdentityError } from '../errors.ts';
import type { Clock } from '../runtime/clock.ts';
import { failpoint } from '../runtime/failpoint.ts';
import type { Random } from '../runtime/random.ts';
import type { KeyType, Signer } from '../runtime/signer.ts';
import { Watch } from '../runtime/watch.ts';
import type { Bundle } from '../spiffe/bundle.ts';
import type { TrustDomain } from '../spiffe/id.ts';
import { selfSigned } from './certificate.ts';
import { JwtIssuer } from './issue-jwt.ts';
import { serialBytes, X509Issuer } from './issue-x509.ts';
import { type AuthorityRecord, type Journal, journalMissing, type PlannedKey } from './journal.ts';
import { type KeyStore, proveKey } from './keys.ts';
import { type AuthorityKind, apply, type Due, isUsable, nextStep, type RotationPolicy, type Step } from './rotation.ts';
import type { SecondOpinion } from './second-opinion.ts';
import { backdated, wholeSecond } from './validity.ts';

/** What the ledger hears of each step, before it takes effect. */
export interface AuthorityEvent {
  readonly kind: `authority.${'prepared' | 'activated' | 'retired' | 'removed'}`;
  readonly authority: string;
  readonly use: AuthorityKind;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly reason?: 'succeeded' | 'expired' | 'key-missing';
}

export interface SuccessionParts {
  readonly trustDomain: TrustDomain;
  readonly journal: Journal;
  readonly keyStore: KeyStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly keyTypes: Readonly<Record<AuthorityKind, KeyType>>;
  readonly ttlSeconds: Readonly<Record<AuthorityKind, number>>;
  readonly policy: RotationPolicy;
  readonly secondOpinion: SecondOpinion;
  readonly refreshHintSeconds: number;
  /** Resolves once the event is on the disk. */
  readonly record: (event: AuthorityEvent) => Promise<void>;
}

export interface ActiveIssuers {
  readonly x509: X509Issuer | undefined;
  readonly jwt: JwtIssuer | undefined;
}

export class Succession {
  readonly bundle: Watch<Bundle>;
  /** Who signs now; another object whenever one of them changed. */
  readonly active = new Watch<ActiveIssuers>({ x509: undefined, jwt: undefined });
  readonly #parts: SuccessionParts;
  /** Keys of what is prepared or active. An old one signs no more. */
  readonly #signers = new Map<string, Signer>();

  private constructor(parts: SuccessionParts) {
    this.#parts = parts;
    this.bundle = new Watch(bundleOf(parts));
  }

  /** @throws IdentityError 'data-loss' when a key is not the one that was published */
  static async open(parts: SuccessionParts): Promise<Succession> {
    if (parts.journal.isNew && (await parts.keyStore.names()).length > 0) throw journalMissing(parts.journal.path);
    const succession = new Succession(parts);
    for (const record of succession.authorities) if (record.state !== 'old') await succession.#loadKey(record);
    for (const record of succession.authorities) if (record.state === 'active') succession.#setIssuer(record);
    return succession;
  }

  get authorities(): readonly AuthorityRecord[] {
    return this.#parts.journal.content.authorities;
  }

  due(kind: AuthorityKind, now: number): Due {
    return nextStep(ofKind(this.authorities, kind), now, this.#parts.policy);
  }

  canSign(kind: AuthorityKind, now: number): boolean {
    return this.authorities.some((one) => one.kind === kind && one.state === 'active' && isUsable(one, now));
  }

  async take(kind: AuthorityKind, step: Step): Promise<void> {
    if (step.do === 'prepare') return this.#prepare(kind);
    const record = this.authorities.find(({ id }) => id === step.id);
    if (record === undefined) throw new TypeError('no such authority');
    if (step.do === 'activate') return this.#activate(record);
    if (step.do === 'retire') return this.#retire(record, 'expired');
    return this.#forget(record, 'expired');
  }

  /** Deletes the keys of authorities that are gone. */
  async clean(): Promise<void> {
    const { journal, keyStore } = this.#parts;
    if (journal.content.discarded.length === 0) return;
    for (const key of journal.content.discarded) await keyStore.delete(nameOf(key));
    failpoint('authority.key-deleted');
    journal.write({ discarded: [] });
    failpoint('authority.cleaned');
  }

  async #prepare(kind: AuthorityKind): Promise<void> {
    const { journal } = this.#parts;
    const planned = this.#plan(kind);
    const signer = await this.#makeKey(planned);
    const record = await this.#describe(planned, signer);
    failpoint('authority.described');
    await this.#record('prepared', record);
    failpoint('authority.prepared-recorded');
    journal.write({
      sequence: this.#nextSequence(),
      planned: journal.content.planned.filter(({ id }) => id !== planned.id),
      authorities: [...journal.content.authorities, record],
    });
    failpoint('authority.prepared-journaled');
    this.#signers.set(record.id, signer);
    this.#publish();
    failpoint('authority.published');
  }

  /** A key that was planned before a crash is made now, or found made: there is never a second one. */
  #plan(kind: AuthorityKind): PlannedKey {
    const { journal, keyTypes, random } = this.#parts;
    const known = journal.content.planned.find((planned) => planned.kind === kind);
    if (known !== undefined) return known;
    const planned = { id: random.bytes(idBytes).toString('hex'), kind, keyType: keyTypes[kind] };
    failpoint('authority.plan');
    journal.write({ planned: [...journal.content.planned, planned] });
    failpoint('authority.planned');
    return planned;
  }

  async #makeKey(planned: PlannedKey): Promise<Signer> {
    const { keyStore } = this.#parts;
    const name = nameOf(planned);
    const found = await keyStore.load(name, undefined).catch((error: unknown) => {
      // Nobody has seen this key yet: a damaged one is replaced.
      if (error instanceof IdentityError && error.code === 'data-loss') return undefined;
      throw error;
    });
    if (found !== undefined) return found;
    const signer = await keyStore.create(name, planned.keyType);
    failpoint('authority.key-made');
    await proveKey(signer, undefined, 'the key that was just made');
    return signer;
  }

  async #describe({ id, kind }: PlannedKey, signer: Signer): Promise<AuthorityRecord> {
    const { clock, random, trustDomain, policy, secondOpinion } = this.#parts;
    const now = clock.now();
    const life = { notBefore: backdated(now), notAfter: wholeSecond(now) + policy.lifeMs };
    const serial = random.bytes(serialBytes);
    const certificate = kind === 'jwt' ? undefined : await selfSigned({ id, trustDomain, serial, ...life }, signer);
    await (certificate === undefined ? secondOpinion.tokenKey(signer) : secondOpinion.certificate(certificate));
    const { keyType, publicKey } = signer;
    return {
      id,
      kind,
      state: 'prepared',
      keyType,
      preparedAt: now,
      activatedAt: undefined,
      ...life,
      publicKey,
      certificate,
    };
  }

  async #activate(record: AuthorityRecord): Promise<void> {
    const { journal, clock } = this.#parts;
    const published = journal.reread().authorities.some(({ id, publicKey }) => {
      return id === record.id && publicKey.equals(record.publicKey);
    });
    if (!published) throw new IdentityError('data-loss', `${journal.path} was replaced while mayfly ran: start again`);
    failpoint('authority.reread');
    const previous = ofKind(this.authorities, record.kind).find(({ state }) => state === 'active');
    await this.#record('activated', record);
    failpoint('authority.activated-recorded');
    if (previous !== undefined) await this.#record('retired', previous, 'succeeded');
    journal.write({ authorities: apply(this.authorities, { do: 'activate', id: record.id }, clock.now()) });
    failpoint('authority.activated-journaled');
    if (previous !== undefined) this.#signers.delete(previous.id);
    this.#setIssuer(record);
    failpoint('authority.active');
  }

  async #retire(record: AuthorityRecord, reason: 'expired' | 'key-missing'): Promise<void> {
    const { journal, clock } = this.#parts;
    await this.#record('retired', record, reason);
    failpoint('authority.retired-recorded');
    journal.write({ authorities: apply(this.authorities, { do: 'retire', id: record.id }, clock.now()) });
    failpoint('authority.retired-journaled');
    this.#signers.delete(record.id);
    this.active.set({ ...this.active.value, [record.kind]: undefined });
  }

  async #forget(record: AuthorityRecord, reason: 'expired' | 'key-missing'): Promise<void> {
    const { journal, clock } = this.#parts;
    const { id, kind } = record;
    await this.#record('removed', record, reason);
    failpoint('authority.removed-recorded');
    journal.write({
      sequence: this.#nextSequence(),
      authorities: apply(this.authorities, { do: 'forget', id }, clock.now()),
      discarded: [...journal.content.discarded, { id, kind }],
    });
    failpoint('authority.removed-journaled');
    this.#signers.delete(id);
    this.#publish();
    failpoint('authority.removed-published');
    await this.clean();
  }

  /** A key that is gone is not waited for: its authority steps down, stays published, and another follows. */
  async #loadKey(record: AuthorityRecord): Promise<void> {
    const signer = await this.#parts.keyStore.load(nameOf(record), record.publicKey);
    if (signer !== undefined) this.#signers.set(record.id, signer);
    else if (record.state === 'active') await this.#retire(record, 'key-missing');
    else await this.#forget(record, 'key-missing');
  }

  #setIssuer(record: AuthorityRecord): void {
    const { id, kind, notAfter, certificate } = record;
    const signer = this.#signers.get(id);
    if (signer === undefined) return;
    const { trustDomain, ttlSeconds } = this.#parts;
    const signing = { id, trustDomain, notAfter, signer, ttlSeconds: ttlSeconds[kind] };
    const issuer = certificate === undefined ? new JwtIssuer(signing) : new X509Issuer({ ...signing, certificate });
    this.active.set({ ...this.active.value, [kind]: issuer });
  }

  #publish(): void {
    this.bundle.set(bundleOf(this.#parts));
  }

  /** Never below the seconds since the epoch: a directory that was restored or begun anew still goes on from above. */
  #nextSequence(): bigint {
    const { journal, clock } = this.#parts;
    const next = journal.content.sequence + 1n;
    const seconds = BigInt(Math.floor(clock.now() / 1000));
    return next > seconds ? next : seconds;
  }

  #record(
    verb: 'prepared' | 'activated' | 'retired' | 'removed',
    record: AuthorityRecord,
    reason?: AuthorityEvent['reason'],
  ): Promise<void> {
    const { id, kind, notBefore, notAfter } = record;
    const event = { kind: `authority.${verb}`, authority: id, use: kind, notBefore, notAfter } as const;
    return this.#parts.record(reason === undefined ? event : { ...event, reason });
  }
}

const idBytes = 16;

const nameOf = ({ kind, id }: Pick<PlannedKey, 'kind' | 'id'>): string => `${kind}-${id}`;

const ofKind = (authorities: readonly AuthorityRecord[], kind: AuthorityKind): readonly AuthorityRecord[] =>
  authorities.filter((authority) => authority.kind === kind);

/** Everything the journal knows, in the order in which it was prepared: who is active is not the bundle's business. */
function bundleOf({ trustDomain, journal, refreshHintSeconds }: SuccessionParts): Bundle {
  const { authorities, sequence } = journal.content;
  return {
    trustDomain,
    x509Authorities: authorities.flatMap(({ certificate }) => (certificate === undefined ? [] : [certificate])),
    jwtAuthorities: ofKind(authorities, 'jwt').map(({ id, publicKey }) => ({
      keyId: id,
      publicKey: createPublicKey({ key: publicKey, format: 'der', type: 'spki' }),
    })),
    sequence,
    refreshHintSeconds,
  };
}
