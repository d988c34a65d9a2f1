/** Reading, proving and archiving the ledger over the admin API. */
import { IdentityError } from '../errors.ts';
import type * as wire from '../gen/mayfly/admin/v1/admin.ts';
import type { Ledger, LedgerFilter } from '../ledger/ledger.ts';
import type { AdminHandlers } from './admin.ts';

type LedgerMethods = 'listRecords' | 'verifyLedger' | 'archiveLedger';

export interface LedgerParts {
  readonly ledger: Ledger;
  /** Refusals are counted in memory for a while: whoever reads the ledger sees them too. */
  readonly flush: () => Promise<void>;
}

export const ledgerMethods = ({ ledger, flush }: LedgerParts): Pick<AdminHandlers, LedgerMethods> => ({
  listRecords: async function* (request) {
    await flush();
    for await (const { seq, at, kind, line } of ledger.query(filterOf(request))) {
      yield { seq, at: new Date(at), kind, json: line };
    }
  },

  verifyLedger: async () => {
    const report = await ledger.verify();
    return {
      ok: report.ok,
      records: report.records,
      segments: report.segments,
      firstBadSeq: report.ok ? 0 : report.firstBadSeq,
      problem: report.ok ? '' : report.problem,
      head: report.head,
    };
  },

  archiveLedger: async ({ before, directory }) => {
    if (before === undefined) throw new IdentityError('invalid-argument', 'say up to when: --before 2026-01-01');
    return ledger.archive(before.getTime(), directory === '' ? undefined : directory);
  },
});

const filterOf = (request: wire.ListRecordsRequest): LedgerFilter => ({
  ...(request.spiffeId === '' ? {} : { spiffeId: request.spiffeId }),
  ...(request.owner === '' ? {} : { owner: request.owner }),
  ...(request.pid === 0 ? {} : { pid: request.pid }),
  ...(request.serial === '' ? {} : { serial: request.serial }),
  ...(request.jti === '' ? {} : { jti: request.jti }),
  ...(request.since === undefined ? {} : { since: request.since.getTime() }),
  ...(request.kind === '' ? {} : { kind: request.kind }),
  ...(request.seq === 0 ? {} : { seq: request.seq }),
  ...(request.limit === 0 ? {} : { limit: request.limit }),
});
