/** One rule, one sentence: undefined where it holds, else what is wrong; and what to do about it. */
import type { Evidence } from './evidence.ts';
import type { Party } from './parties.ts';

export interface Rule {
  readonly name: string;
  /** What it looks at: without that nobody knows. */
  readonly needs: 'issuer' | 'discovery' | 'keys' | 'token' | 'svid';
  readonly applies?: (party: Party) => boolean;
  readonly fault: (evidence: Evidence, party: Party) => string | undefined;
  readonly fix: string;
}

export type State = 'holds' | 'fails' | 'unknown';

export interface Finding {
  readonly party: string;
  readonly rule: string;
  readonly state: State;
  /** What is wrong, or why nobody knows; '' where it holds. */
  readonly says: string;
  readonly fix: string;
}

export function judge(rules: readonly Rule[], evidence: Evidence, party: Party): readonly Finding[] {
  return rules
    .filter(({ applies }) => applies?.(party) ?? true)
    .map((rule) => {
      const { name, needs, fix } = rule;
      const missing = needs === 'issuer' ? undefined : evidence[needs].problem;
      const fault = missing ?? rule.fault(evidence, party);
      const state = fault === undefined ? 'holds' : missing !== undefined && needs !== name ? 'unknown' : 'fails';
      return { party: party.name, rule: name, state, says: fault ?? '', fix: state === 'fails' ? fix : '' };
    });
}
