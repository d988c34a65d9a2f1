/** The foreign trust domains that some entries federate with: how we learn their bundles, and what we last learned. */
import { IdentityError } from '../errors.ts';
import type { TrustDomain } from '../spiffe/id.ts';
import { type Change, type Contents, noChange, type Step } from './contents.ts';
import { type ForeignBundle, readForeignBundle } from './foreign-bundle.ts';
import type { Author, ForeignTrust, RegistryOptions, TakenBundle } from './registry.ts';
import { checkRelationship, foreignTrustDomain, type Relationship, type RelationshipDraft } from './relationship.ts';

/** Each may hold a megabyte and has a fetch of its own under way at times. */
const mostTrustDomains = 128;

export interface ForeignTrustParts {
  readonly options: RegistryOptions;
  readonly contents: Contents;
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>;
  readonly commit: (change: Change, by: Author | undefined) => Promise<void>;
}

export class LiveForeignTrust implements ForeignTrust {
  readonly #parts: ForeignTrustParts;

  constructor(parts: ForeignTrustParts) {
    this.#parts = parts;
  }

  relationships = (): readonly Relationship[] => this.#parts.contents.relationships();
  bundles = (): readonly ForeignBundle[] => this.#parts.contents.bundles();
  bundle = (name: TrustDomain): ForeignBundle | undefined => this.#parts.contents.bundle(name);

  relationship(name: string): Relationship {
    const found = this.#parts.contents.relationship(name as TrustDomain);
    if (found === undefined) throw noRelationship(name);
    return found;
  }

  create(draft: RelationshipDraft, document?: string, by?: Author): Promise<Relationship> {
    return this.#parts.inTurn(async () => {
      const after = { ...this.#check(draft), createdAt: this.#now() };
      const { trustDomain } = after;
      if (this.#parts.contents.relationship(trustDomain) !== undefined) throw relationshipExists(trustDomain);
      if (this.relationships().length >= mostTrustDomains) throw tooMany();
      const bundles = document === undefined ? [] : [this.#step(trustDomain, this.#brought(trustDomain, document))];
      await this.#commit({ relationships: [{ before: undefined, after }], bundles }, by);
      return after;
    });
  }

  update(name: string, patch: Partial<RelationshipDraft>, by?: Author): Promise<Relationship> {
    return this.#parts.inTurn(async () => {
      const before = this.relationship(name);
      const after = { ...this.#check({ ...before, ...patch, trustDomain: name }), createdAt: before.createdAt };
      await this.#commit({ relationships: [{ before, after }] }, by);
      return after;
    });
  }

  /** What was learned by it goes with it (SPIFFE Federation section 6.3, FD-38). */
  delete(name: string, by?: Author): Promise<Relationship> {
    return this.#parts.inTurn(async () => {
      const before = this.relationship(name);
      const bundle = this.bundle(before.trustDomain);
      const bundles = bundle === undefined ? [] : [{ before: bundle, after: undefined }];
      await this.#commit({ relationships: [{ before, after: undefined }], bundles }, by);
      return before;
    });
  }

  setBundle(name: string, document: string, by?: Author): Promise<ForeignBundle> {
    return this.#parts.inTurn(async () => {
      const trustDomain = foreignTrustDomain(name, this.#parts.options.trustDomain);
      const after = this.#brought(trustDomain, document);
      const step = this.#step(trustDomain, after);
      if (step.before === undefined && this.bundles().length >= mostTrustDomains) throw tooMany();
      await this.#commit({ bundles: [step] }, by);
      return after;
    });
  }

  deleteBundle(name: string, by?: Author): Promise<ForeignBundle> {
    return this.#parts.inTurn(async () => {
      const before = this.bundle(name as TrustDomain);
      if (before === undefined) throw noBundle(name);
      await this.#commit({ bundles: [{ before, after: undefined }] }, by);
      return before;
    });
  }

  takeBundle(from: Relationship, document: string): Promise<TakenBundle> {
    return this.#parts.inTurn(async () => {
      const { trustDomain } = from;
      if (this.#parts.contents.relationship(trustDomain) !== from) throw overtaken(trustDomain);
      const stored = this.bundle(trustDomain);
      const fetched = readForeignBundle(trustDomain, document, { source: 'endpoint', storedAt: this.#now() });
      if (stored?.digest === fetched.digest) return { bundle: stored, changed: false };
      refuseRollback(stored, fetched);
      await this.#commit({ bundles: [this.#step(trustDomain, fetched)] }, undefined);
      return { bundle: fetched, changed: true };
    });
  }

  #check(draft: RelationshipDraft): Omit<Relationship, 'createdAt'> {
    return checkRelationship(draft, this.#parts.options.trustDomain);
  }

  #brought(trustDomain: TrustDomain, document: string): ForeignBundle {
    return readForeignBundle(trustDomain, document, { source: 'operator', storedAt: this.#now() });
  }

  #step(trustDomain: TrustDomain, after: ForeignBundle): Step<ForeignBundle> {
    return { before: this.bundle(trustDomain), after };
  }

  #commit(change: Partial<Change>, by: Author | undefined): Promise<void> {
    return this.#parts.commit({ ...noChange, ...change }, by);
  }

  #now(): number {
    return this.#parts.options.clock.now();
  }
}

/**
 * Section 4.2: a number that is smaller is an older bundle, of a stale copy or of somebody who wants a revoked key back.
 * Without numbers the one that was fetched last counts. What an operator brought stands until the next fetch (FD-32).
 */
function refuseRollback(stored: ForeignBundle | undefined, fetched: ForeignBundle): void {
  if (stored === undefined || stored.source === 'operator') return;
  const [had, has] = [stored.bundle.sequence, fetched.bundle.sequence];
  if (had === undefined || has === undefined || has >= had) return;
  const { trustDomain } = stored.bundle;
  const message = `the endpoint serves bundle ${has} of ${trustDomain}, which is older than ${had}; ${had} is kept`;
  const advice = `if the trust domain was made anew: mayfly bundle set ${trustDomain} --file bundle.json`;
  throw new IdentityError('failed-precondition', `${message}; ${advice}`, { reason: 'bundle-rollback' });
}

const noRelationship = (name: string): IdentityError =>
  new IdentityError('not-found', `there is no federation with ${quote(name)}; see what exists: mayfly federation list`);

const relationshipExists = (name: string): IdentityError =>
  new IdentityError('already-exists', `there is a federation with ${name} already: mayfly federation update ${name}`);

const noBundle = (name: string): IdentityError =>
  new IdentityError('not-found', `there is no bundle of ${quote(name)}; see what exists: mayfly bundle list`);

const tooMany = (): IdentityError =>
  new IdentityError('resource-exhausted', `at most ${mostTrustDomains} foreign trust domains can be kept`);

const overtaken = (name: string): IdentityError =>
  new IdentityError('cancelled', `the federation with ${name} was changed while its bundle was fetched`);

const quote = (text: string): string => JSON.stringify(text.slice(0, 255));
