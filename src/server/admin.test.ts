import { describe, expect, it } from 'vitest';
import { collect, LedgerDirectory } from '../../test/fakes/ledger-directory.ts';
import { AdminService } from '../gen/mayfly/admin/v1/admin.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Call } from '../runtime/grpc-server.ts';
import { createLog } from '../runtime/log.ts';
import type { Peer } from '../runtime/peer.ts';
import { type AdminHandlers, recorded } from './admin.ts';
import { Recorder } from './recorder.ts';

const call = { peer: { process: { pid: 7 }, credentials: { pid: 7, uid: 0, gid: 0 } } } as unknown as Call<Peer>;

/** Every method answers with its own name; streams say it three times. */
const names = Object.entries(AdminService).map(([name, { responseStream }]) => {
  const stream = async function* (): AsyncGenerator<string> {
    for (let count = 0; count < 3; count++) yield name;
  };
  return [name, responseStream ? stream : () => name];
});
const handlers = Object.fromEntries(names) as AdminHandlers;

type Method = (input: unknown, call: Call<Peer>) => unknown;

async function recording(ask: (methods: Readonly<Record<string, Method>>) => Promise<unknown>): Promise<string[]> {
  using directory = new LedgerDirectory('memory');
  const ledger: Ledger = await directory.open();
  await ask(recorded(handlers, new Recorder(ledger, createLog('silent'))) as never);
  const calls = (await collect(ledger.query({ kind: 'admin.call' }))).map(({ event }) => event);
  await ledger.close();
  return calls.map((event) => (event.kind === 'admin.call' ? `${event.method} ${event.outcome}` : ''));
}

describe('the admin API', () => {
  it('R-ISS-2 R-AUD-1 puts every call of every method on record, whatever methods there are', async () => {
    const all = Object.entries(AdminService);
    const found = await recording(async (methods) => {
      for (const [name, { responseStream }] of all) {
        const answer = methods[name]?.(undefined, call);
        if (responseStream) expect(await collect(answer as AsyncIterable<unknown>)).toEqual([name, name, name]);
        else expect(await answer).toBe(name);
      }
    });
    expect(found).toEqual(all.map(([name]) => `${name} ok`));
  });

  it('R-AUD-1 has a reader on record who leaves before the last message', async () => {
    const found = await recording(async (methods) => {
      const messages = methods['listRecords']?.(undefined, call) as AsyncGenerator<unknown>;
      expect((await messages.next()).value).toBe('listRecords');
      await messages.return(undefined);
    });
    expect(found).toEqual(['listRecords cancelled']);
  });
});
