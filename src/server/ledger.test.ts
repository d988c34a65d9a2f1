import { describe, expect, it } from 'vitest';
import { collect, LedgerDirectory } from '../../test/fakes/ledger-directory.ts';
import { ListRecordsRequest } from '../gen/mayfly/admin/v1/admin.ts';
import { verifyLedger } from '../ledger/ledger.ts';
import { ledgerMethods } from './ledger.ts';

describe('reading the ledger over the admin API', () => {
  it('refuses a moment that no date can be, and reads on', async () => {
    using directory = new LedgerDirectory('memory');
    const ledger = await directory.open();
    const verify = () => verifyLedger(directory.path, directory.key);
    const methods = ledgerMethods({ ledger, verify, flush: async () => undefined });
    const call = undefined as never;
    const ask = (since: Date | undefined) =>
      collect(
        methods.listRecords({ ...ListRecordsRequest.decode(Buffer.alloc(0)), since }, call) as AsyncIterable<unknown>,
      );
    const refused = (field: string) => ({ code: 'invalid-argument', message: `${field} is not a moment` });
    await expect(ask(new Date(Number.NaN))).rejects.toMatchObject(refused('since'));
    await expect(methods.archiveLedger({ before: new Date(Number.NaN), directory: '' }, call)).rejects.toMatchObject(
      refused('before'),
    );
    expect((await ask(undefined)).length).toBe(ledger.head().seq);
    await ledger.close();
  });
});
