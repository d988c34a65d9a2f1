/** Every rule of the chosen relying parties, over what was found. */
import type { Evidence } from './evidence.ts';
import { issuerRules } from './issuer-rules.ts';
import type { Party } from './parties.ts';
import { type Finding, judge } from './rules.ts';
import { svidRules } from './svid-rules.ts';
import { tokenRules } from './token-rules.ts';

export const lint = (evidence: Evidence, party: Party): readonly Finding[] =>
  judge([...issuerRules, ...tokenRules, ...svidRules], evidence, party);
