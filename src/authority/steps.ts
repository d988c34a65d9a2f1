/** What the ledger hears of the steps of authorities. */
import type { AuthorityKind } from './rotation.ts';

/** Who ordered a step that rotation would not have taken by itself. */
export interface Orderer {
  readonly actorUid: number;
  readonly actorPid: number;
}

export type Verb = 'prepared' | 'activated' | 'retired' | 'tainted' | 'revoked' | 'removed';

/** What the ledger hears of each step, before it takes effect. */
export interface AuthorityEvent extends Partial<Orderer> {
  readonly kind: `authority.${Verb}`;
  readonly authority: string;
  readonly use: AuthorityKind;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly reason?: 'succeeded' | 'expired' | 'key-missing' | 'key-moved' | 'upstream-tainted' | 'upstream-gone';
}

export interface StepReason {
  readonly reason?: AuthorityEvent['reason'];
  readonly by?: Orderer | undefined;
}
