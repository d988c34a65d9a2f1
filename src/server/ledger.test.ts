import { describe, expect, it } from 'vitest';
import { collect, issued, LedgerDirectory } from '../../test/fakes/ledger-directory.ts';
import { ListRecordsRequest } from '../gen/mayfly/admin/v1/admin.ts';
import { verifyLedger } from '../ledger/ledger.ts';
import { revokedOnRecord } from './credentials.ts';
import { ledgerMethods } from './ledger.ts';

describe('reading the ledger over the admin API', () => {
  it('refuses a moment that no date can be, and reads on', async () => {
    using directory = new LedgerDirectory('memory');
    const ledger = await directory.open();
    const verify = () => verifyLedger(directory.path, directory.key);
    const methods = ledgerMethods({ ledger, verify, flush: async () => undefined, clock: directory.clock });
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

describe('archiving the ledger over the admin API', () => {
  it('keeps what was taken back until it has expired: a restart must not believe it again', async () => {
    using directory = new LedgerDirectory('memory');
    const { clock } = directory;
    const ledger = await directory.open({ segmentBytes: 2_000 });
    const methods = ledgerMethods({ ledger, verify: () => Promise.reject(), flush: async () => undefined, clock });
    const fill = async (): Promise<void> => {
      for (let n = 0; n < 20; n++) await ledger.append(issued(n));
      await clock.advance(60_000);
    };
    await fill();
    const [about, revokedAt] = [{ entry: 'e', spiffeId: 'spiffe://example.org/web', owner: 'ada' }, clock.now()];
    const until = { revokedAt, expiresAt: revokedAt + 3_600_000, reason: 'keyCompromise' } as const;
    await ledger.append({ kind: 'credential.revoked', ...about, authority: 'a', serial: 'abc', ...until });
    await fill();
    const archive = () =>
      Promise.resolve(methods.archiveLedger({ before: new Date(clock.now()), directory: '' }, undefined as never));
    expect((await archive()).segments).toBeGreaterThan(1);
    expect(await revokedOnRecord(ledger, clock.now())).toMatchObject([{ serial: 'abc' }]);
    expect((await archive()).segments).toBe(0);
    await clock.advance(3_600_000);
    expect((await archive()).segments).toBeGreaterThan(1);
    expect(await collect(ledger.query({ kind: 'credential.revoked' }))).toEqual([]);
    await ledger.close();
  });
});
