import { describe, expect, it } from 'vitest';
import { FaultyDisk } from '../../test/fakes/disk.ts';
import { collect, LedgerDirectory } from '../../test/fakes/ledger-directory.ts';
import { IdentityError } from '../errors.ts';
import { createLog } from '../runtime/log.ts';
import { Recorder } from './recorder.ts';

const call = { peer: { process: { pid: 7 }, credentials: { uid: 0 } } } as never;

describe('an admin call that was carried out while the disk had no room for its record', () => {
  it('I2 is not told from others as refused: who gave the order hears that it was done', async () => {
    using directory = new LedgerDirectory('memory');
    const disk = new FaultyDisk();
    const ledger = await directory.open({ openFile: disk.open });
    const recorder = new Recorder(ledger, createLog('silent'));
    let done = 0;
    await recorder.call('DeleteEntry', call, () => done++);
    disk.fault = (operation, path) => (operation === 'write' && path.endsWith('.ndjson') ? 'ENOSPC' : undefined);
    await expect(recorder.call('DeleteEntry', call, () => done++)).rejects.toMatchObject({
      code: 'resource-exhausted',
      message: expect.stringMatching(/^it was done, and cannot be answered .*: .*the disk is full/),
    });
    disk.fault = () => undefined;
    const refusal = new IdentityError('not-found', 'there is no such entry');
    await expect(recorder.call('DeleteEntry', call, () => Promise.reject(refusal))).rejects.toBe(refusal);
    expect(done).toBe(2);
    const calls = await collect(ledger.query({ kind: 'admin.call' }));
    expect(calls.map(({ event }) => event)).toMatchObject([{ outcome: 'ok' }, { outcome: 'not-found' }]);
    await ledger.close();
  });
});
