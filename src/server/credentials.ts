/** Taking back a credential before its end: found on record, put on record, and only then in effect. */
import type { Authority } from '../authority/authority.ts';
import { IdentityError } from '../errors.ts';
import type * as wire from '../gen/mayfly/admin/v1/admin.ts';
import type { CredentialFacts, CredentialRevoked, Ledger, LedgerEvent, LedgerFilter } from '../ledger/ledger.ts';
import type { Clock } from '../runtime/clock.ts';
import { failpoint } from '../runtime/failpoint.ts';
import { type CrlReason, reasons } from '../x509/crl.ts';
import { type AdminHandlers, actor } from './admin.ts';

export interface CredentialParts {
  readonly authority: Authority;
  readonly ledger: Ledger;
  readonly clock: Clock;
}

export const credentialMethods = ({
  authority,
  ledger,
  clock,
}: CredentialParts): Pick<AdminHandlers, 'revokeCredential' | 'listRevocations'> => ({
  revokeCredential: async ({ serial, jti, reason: text }, call) => {
    const reason = reasonOf(text);
    if ((serial === '') === (jti === '')) throw new IdentityError('invalid-argument', 'name a --serial or a --jti');
    const facts = await issued(ledger, serial === '' ? { jti } : { serial }, authority.bundle.value.trustDomain);
    const revokedAt = clock.now();
    if (facts.expiresAt <= revokedAt)
      throw new IdentityError('failed-precondition', 'it has expired: nobody believes it');
    const revoked = { ...facts, revokedAt, reason };
    if (!authority.revocations.has(facts)) {
      failpoint('revoke.found');
      await ledger.append({ kind: 'credential.revoked', ...revoked, ...actor(call) });
      failpoint('revoke.recorded');
      await authority.revoke(revoked);
      failpoint('revoke.done');
    }
    return toWire(revoked);
  },

  listRevocations: async () => ({ revocations: (await revokedOnRecord(ledger, clock.now())).map(toWire) }),
});

/** What was taken back and has not expired, as the ledger has it. */
export async function revokedOnRecord(ledger: Ledger, now: number): Promise<CredentialRevoked[]> {
  const found: CredentialRevoked[] = [];
  for await (const { event } of ledger.query({ kind: 'credential.revoked' })) {
    if (event.kind === 'credential.revoked' && event.expiresAt > now) found.push(event);
  }
  return found;
}

async function issued(ledger: Ledger, filter: LedgerFilter, trustDomain: string): Promise<CredentialFacts> {
  for await (const { event } of ledger.query(filter)) {
    const { kind } = event;
    if (kind === 'downstream.certified') return issuerBelow(event, trustDomain);
    if (kind !== 'x509-svid.issued' && kind !== 'jwt-svid.issued') continue;
    const { spiffeId, entry, owner, authority } = event;
    const named =
      kind === 'x509-svid.issued'
        ? { serial: event.serial, expiresAt: event.notAfter }
        : { jti: event.jti, expiresAt: event.expiresAt };
    return { spiffeId, entry, owner, authority, ...named };
  }
  const message =
    'no credential on record has that name; see what was issued: mayfly ledger list --kind x509-svid.issued';
  throw new IdentityError('not-found', message);
}

/** It is nobody's entry: it is the trust domain itself, below us. */
const issuerBelow = (
  event: Extract<LedgerEvent, { kind: 'downstream.certified' }>,
  trustDomain: string,
): CredentialFacts => ({
  ...{ spiffeId: `spiffe://${trustDomain}`, entry: 'mayfly/downstream', owner: 'mayfly' },
  ...{ authority: event.authority, serial: event.serial, expiresAt: event.notAfter },
});

function reasonOf(text: string): CrlReason {
  const found = (Object.keys(reasons) as CrlReason[]).find((reason) => reason === (text || 'unspecified'));
  if (found !== undefined) return found;
  throw new IdentityError('invalid-argument', `a reason is one of ${Object.keys(reasons).join(', ')}`);
}

const toWire = (
  revoked: CredentialFacts & Pick<CredentialRevoked, 'revokedAt' | 'reason'>,
): wire.RevokedCredential => ({
  serial: revoked.serial ?? '',
  jti: revoked.jti ?? '',
  spiffeId: revoked.spiffeId,
  owner: revoked.owner,
  authority: revoked.authority,
  reason: revoked.reason,
  revokedAt: new Date(revoked.revokedAt),
  expiresAt: new Date(revoked.expiresAt),
});
