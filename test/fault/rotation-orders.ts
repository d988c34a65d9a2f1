/** What the runs that kill an issuer in the midst of a rotation have in common: its orders, and the look at its keys. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { diskJournal, Journal } from '../../src/authority/journal.ts';
import type { Failpoint } from '../../src/runtime/failpoints.ts';
import { TrustDomain } from '../../src/spiffe/id.ts';
import type { Operator } from '../integration/admin.ts';

export interface Kills {
  /** Deaths at each step. */
  readonly deaths: ReadonlyMap<Failpoint, number>;
  readonly findings: readonly string[];
}

export const kinds = ['x509', 'jwt'] as const;
export const trustDomain = TrustDomain.parse('example.org');

/** Every step there is: another is prepared, signs, the one before is tainted, revoked, its key deleted. */
export async function replaceBoth(operator: Operator): Promise<void> {
  for (const kind of kinds) {
    const signer = (await operator.authorities()).find((one) => one.kind === kind && one.state === 'active');
    await operator.order({ verb: 'revoke', kind, id: signer?.id ?? '', force: ['active', 'unpublished', 'unexpired'] });
  }
}

/**
 * Keys on the disk of no authority. One that was planned is noted before it is made, and is the next authority's: never a
 * second.
 */
export function strayKeys(data: string, { planned: withPlanned }: { readonly planned: boolean }): readonly string[] {
  const { authorities, planned } = Journal.open(diskJournal(join(data, 'authorities.json')), trustDomain).content;
  const owners = withPlanned ? [...authorities, ...planned] : authorities;
  const known = new Set(owners.map(({ kind, id }) => `${kind}-${id}.pem`));
  return readdirSync(join(data, 'keys')).filter(
    (name) => name.endsWith('.pem') && /^(x509|jwt)-/.test(name) && !known.has(name),
  );
}
