/** Reading, proving and archiving the ledger over the admin API. */
import { IdentityError } from '../errors.ts';
import type * as wire from '../gen/mayfly/admin/v1/admin.ts';
import type { Ledger, LedgerFilter, VerifyReport } from '../ledger/ledger.ts';
import type { Clock } from '../runtime/clock.ts';
import type { AdminHandlers } from './admin.ts';
import { revokedOnRecord } from './credentials.ts';

type LedgerMethods = 'listRecords' | 'verifyLedger' | 'archiveLedger';

export interface LedgerParts {
  readonly ledger: Ledger;
  readonly verify: () => Promise<VerifyReport>;
  /** Refusals are counted in memory for a while: whoever reads the ledger sees them too. */
  readonly flush: () => Promise<void>;
  readonly clock: Clock;
}

export const ledgerMethods = ({ ledger, verify, flush, clock }: LedgerParts): Pick<AdminHandlers, LedgerMethods> => ({
  listRecords: async function* (request) {
    await flush();
    for await (const { seq, at, event, json } of ledger.query(filterOf(request))) {
      yield { seq, at: new Date(at), kind: event.kind, json };
    }
  },

  verifyLedger: async () => {
    const { ok, records, segments, problem, end } = await verify();
    return { ok, records, segments, firstBadSeq: problem?.seq ?? 0, problem: problem?.message ?? '', head: end.hash };
  },

  archiveLedger: async ({ before, directory }) => {
    if (before === undefined) throw new IdentityError('invalid-argument', 'say up to when: --before 2026-01-01');
    // The ledger is the memory of what was taken back: without that record, a restart would believe it again.
    const revoked = (await revokedOnRecord(ledger, clock.now())).map(({ revokedAt }) => revokedAt);
    const limit = Math.min(momentOf('before', before), ...revoked);
    return ledger.archive(limit, directory === '' ? undefined : directory);
  },
});

const filterOf = (request: wire.ListRecordsRequest): LedgerFilter => ({
  ...(request.spiffeId === '' ? {} : { spiffeId: request.spiffeId }),
  ...(request.owner === '' ? {} : { owner: request.owner }),
  ...(request.pid === 0 ? {} : { pid: request.pid }),
  ...(request.serial === '' ? {} : { serial: request.serial }),
  ...(request.jti === '' ? {} : { jti: request.jti }),
  ...(request.exchange === '' ? {} : { exchange: request.exchange }),
  ...(request.authority === '' ? {} : { authority: request.authority }),
  ...(request.since === undefined ? {} : { since: momentOf('since', request.since) }),
  ...(request.kind === '' ? {} : { kind: request.kind }),
  ...(request.seq === 0 ? {} : { seq: request.seq }),
  ...(request.limit === 0 ? {} : { limit: request.limit }),
});

/** A timestamp can count more seconds than a date has. */
function momentOf(field: string, date: Date): number {
  const at = date.getTime();
  if (Number.isNaN(at)) throw new IdentityError('invalid-argument', `${field} is not a moment`);
  return at;
}
