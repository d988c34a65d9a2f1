/**
 * Audiences outside SPIFFE, and what a token for each must be. Relying parties differ in what they take, and who asks for
 * a token says for whom and nothing else: all the rest is decided here, by presets and by operators.
 */
import { IdentityError } from '../errors.ts';
import { type ClaimTemplate, parseClaimTemplate } from './claims.ts';
import { shortestTtlSeconds } from './entry.ts';
import { faultOfText } from './text.ts';

export type AudienceAlgorithm = 'ES256' | 'RS256';

export interface AudiencePolicy {
  readonly name: string;
  /** Exact, or a prefix with a trailing `*`. */
  readonly audiences: readonly string[];
  /** Undefined: whatever tokens are signed with by default. */
  readonly algorithm: AudienceAlgorithm | undefined;
  /** At most; 0: the entry's, or the issuer's default. */
  readonly ttlSeconds: number;
  /** A token is given once, and the next one who asks gets another. */
  readonly singleUse: boolean;
  /** How long what is obtained with a token lives unless it is asked for otherwise; 0: no longer than the token. */
  readonly derivedTtlSeconds: number;
  /** Undefined: none. */
  readonly claims: ClaimTemplate | undefined;
}

/** The same as it arrives: unchecked; the template as JSON. */
export interface AudienceDraft {
  readonly name: string;
  readonly audiences: readonly string[];
  readonly algorithm: string;
  readonly ttlSeconds: number;
  readonly singleUse: boolean;
  readonly derivedTtlSeconds: number;
  readonly claims: string;
}

const longest = { name: 64, audiences: 16, audience: 256, ttl: 86_400, derived: 90 * 86_400 };
const nameShape = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** Every rule; the first one broken is named together with its field. */
export function checkAudience(draft: AudienceDraft): AudiencePolicy {
  const { name, audiences, algorithm, ttlSeconds, derivedTtlSeconds, singleUse, claims } = draft;
  if (!nameShape.test(name)) throw refusal('name', "is 1 to 64 of a-z 0-9 . _ - as in 'aws'");
  if (audiences.length === 0 || audiences.length > longest.audiences) {
    throw refusal('audiences', `are 1 to ${longest.audiences}: which aud is meant?`);
  }
  if (!['', 'ES256', 'RS256'].includes(algorithm))
    throw refusal('algorithm', 'is ES256, RS256, or empty for the default');
  if (ttlSeconds !== 0) checkSeconds('ttl', ttlSeconds, longest.ttl);
  if (derivedTtlSeconds !== 0) checkSeconds('derived_ttl', derivedTtlSeconds, longest.derived);
  return {
    ...{ name, ttlSeconds, derivedTtlSeconds, singleUse },
    audiences: [...new Set(audiences)].map(pattern),
    algorithm: algorithm === '' ? undefined : (algorithm as AudienceAlgorithm),
    claims: claims === '' ? undefined : parseClaimTemplate(claims),
  };
}

function pattern(audience: string): string {
  const fault = faultOfText(audience, longest.audience);
  if (fault !== undefined) throw refusal('audiences', fault);
  if (audience === '' || audience === '*')
    throw refusal('audiences', 'are names or prefixes: not everybody and nobody');
  if (audience.slice(0, -1).includes('*')) throw refusal('audiences', 'have a * that is not at the end');
  return audience;
}

function checkSeconds(field: string, seconds: number, most: number): void {
  if (Number.isInteger(seconds) && seconds >= shortestTtlSeconds && seconds <= most) return;
  throw refusal(field, `is ${shortestTtlSeconds} to ${most} seconds, or 0`);
}

/** What a token for these audiences must be. */
export interface TokenTerms {
  readonly algorithm: AudienceAlgorithm | undefined;
  readonly ttlSeconds: number;
  readonly singleUse: boolean;
  readonly claims: ClaimTemplate | undefined;
  /** For somebody outside SPIFFE, whose limits are narrower. */
  readonly federated: boolean;
  /** Different for different terms. */
  readonly key: string;
}

export const ordinaryTerms: TokenTerms = {
  ...{ algorithm: undefined, ttlSeconds: 0, singleUse: false, claims: undefined },
  ...{ federated: false, key: '' },
};

/** Finds the policy of an audience: an exact name before a prefix, a longer prefix before a shorter one. */
export class AudienceIndex {
  readonly policies: readonly AudiencePolicy[];
  readonly #exact = new Map<string, AudiencePolicy>();
  readonly #prefixes: readonly (readonly [string, AudiencePolicy])[];
  readonly #terms = new Map<AudiencePolicy, TokenTerms>();

  constructor(policies: readonly AudiencePolicy[]) {
    this.policies = policies;
    const prefixes: [string, AudiencePolicy][] = [];
    for (const policy of policies) {
      this.#terms.set(policy, termsOf([policy], policy.claims));
      for (const audience of policy.audiences) {
        if (audience.endsWith('*')) prefixes.push([audience.slice(0, -1), policy]);
        else this.#exact.set(audience, policy);
      }
    }
    this.#prefixes = prefixes.sort(([a], [b]) => b.length - a.length);
  }

  policyOf(audience: string): AudiencePolicy | undefined {
    return this.#exact.get(audience) ?? this.#prefixes.find(([prefix]) => audience.startsWith(prefix))?.[1];
  }

  /** Of a token for all of these: the narrowest of each, and no claims that were meant for one of them. */
  terms(audience: readonly string[]): TokenTerms {
    const found = audience.map((one) => this.policyOf(one)).filter((policy) => policy !== undefined);
    const [policy] = found;
    if (policy === undefined) return ordinaryTerms;
    if (audience.length === 1) return this.#terms.get(policy) ?? ordinaryTerms;
    return termsOf(found, undefined);
  }
}

function termsOf(policies: readonly AudiencePolicy[], claims: ClaimTemplate | undefined): TokenTerms {
  const algorithms = new Set(policies.map(({ algorithm }) => algorithm));
  const lives = policies.map(({ ttlSeconds }) => ttlSeconds).filter((seconds) => seconds > 0);
  const terms = {
    // Whoever takes RS256 alone takes nothing else; nobody is known to take ES256 alone.
    algorithm: algorithms.has('RS256') ? 'RS256' : algorithms.has('ES256') ? 'ES256' : undefined,
    ttlSeconds: lives.length === 0 ? 0 : Math.min(...lives),
    singleUse: policies.some(({ singleUse }) => singleUse),
    claims,
    federated: true,
  } as const;
  return { ...terms, key: JSON.stringify(terms) };
}

const refusal = (field: string, fault: string): IdentityError =>
  new IdentityError('invalid-argument', `the audience's ${field} ${fault}`, { reason: `audience-${field}` });
