/** Audiences outside SPIFFE, as operators change them: each change on record, durable, and then read. */
import { IdentityError } from '../errors.ts';
import { type AudienceDraft, type AudiencePolicy, checkAudience, type TokenTerms } from '../spiffe/audience.ts';
import { audiencePresets } from '../spiffe/audience-presets.ts';
import { noChange } from './contents.ts';
import type { ForeignTrustParts } from './foreign-trust.ts';
import type { Audiences, Author, KnownAudience } from './registry.ts';

const mostAudiences = 256;

export class LiveAudiences implements Audiences {
  readonly #parts: Pick<ForeignTrustParts, 'contents' | 'inTurn' | 'commit'>;

  constructor(parts: Pick<ForeignTrustParts, 'contents' | 'inTurn' | 'commit'>) {
    this.#parts = parts;
  }

  list(): readonly KnownAudience[] {
    return this.#parts.contents.audiences().policies.map((policy) => this.#known(policy));
  }

  audience(name: string): KnownAudience {
    const policy = this.#parts.contents.audiences().policies.find((one) => one.name === name);
    if (policy === undefined) throw unknown(name);
    return this.#known(policy);
  }

  terms(audience: readonly string[]): TokenTerms {
    return this.#parts.contents.audiences().terms(audience);
  }

  set(draft: AudienceDraft, by?: Author): Promise<KnownAudience> {
    return this.#parts.inTurn(async () => {
      const after = checkAudience(draft);
      const { policies } = this.#parts.contents.audiences();
      this.#refuseTaken(after);
      if (policies.length >= mostAudiences && !policies.some(({ name }) => name === after.name)) throw tooMany();
      const before = this.#parts.contents.setAudience(after.name);
      await this.#parts.commit({ ...noChange, audiences: [{ before, after }] }, by);
      return this.#known(after);
    });
  }

  delete(name: string, by?: Author): Promise<KnownAudience> {
    return this.#parts.inTurn(async () => {
      const before = this.#parts.contents.setAudience(name);
      if (before === undefined) throw isPreset(name) ? untouched(name) : unknown(name);
      await this.#parts.commit({ ...noChange, audiences: [{ before, after: undefined }] }, by);
      return { policy: before, source: isPreset(name) ? 'changed' : 'own' };
    });
  }

  #known(policy: AudiencePolicy): KnownAudience {
    const said = this.#parts.contents.setAudience(policy.name) !== undefined;
    return { policy, source: isPreset(policy.name) ? (said ? 'changed' : 'preset') : 'own' };
  }

  /** One spelling has one policy. */
  #refuseTaken({ name, audiences }: AudiencePolicy): void {
    for (const other of this.#parts.contents.audiences().policies) {
      const taken = other.name === name ? undefined : audiences.find((one) => other.audiences.includes(one));
      if (taken === undefined) continue;
      const message = `${JSON.stringify(taken)} is an audience of ${other.name}: mayfly audience set ${other.name}`;
      throw new IdentityError('already-exists', message, { reason: 'audience-taken' });
    }
  }
}

const isPreset = (name: string): boolean => audiencePresets.some((preset) => preset.name === name);

const unknown = (name: string): IdentityError =>
  new IdentityError(
    'not-found',
    `there is no audience ${JSON.stringify(name.slice(0, 64))}; see what exists: mayfly audience list`,
  );

const untouched = (name: string): IdentityError =>
  new IdentityError('failed-precondition', `${name} is a preset that nobody has changed`);

const tooMany = (): IdentityError =>
  new IdentityError('resource-exhausted', `at most ${mostAudiences} audiences can be kept`);
