import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collect, issued, LedgerDirectory } from '../../test/fakes/ledger-directory.ts';
import type { Ledger, LedgerFilter } from './ledger.ts';

const directory = new LedgerDirectory();
const beganAt = directory.clock.now();
let ledger: Ledger;

beforeAll(async () => {
  ledger = await directory.open({ segmentBytes: 4_000 });
  for (let n = 0; n < 30; n++) {
    await directory.clock.advance(1_000);
    await ledger.append(issued(n));
  }
  await ledger.append({ kind: 'person.disabled', registryVersion: 1, person: 'grace', actorUid: 0 });
  const [before, after] = [{ spiffeId: 'spiffe://example.org/old' }, { spiffeId: 'spiffe://example.org/new' }];
  await ledger.append({
    kind: 'entry.updated',
    registryVersion: 1,
    entry: 'e',
    spiffeId: after.spiffeId,
    owner: 'ada',
    before,
    after,
  });
  await ledger.append({ kind: 'instance.ended', instance: 'instance-0', pid: 100, reason: 'exited' });
});

afterAll(async () => {
  await ledger.close();
  directory[Symbol.dispose]();
});

const kinds = async (filter: LedgerFilter): Promise<string[]> =>
  (await collect(ledger.query(filter))).map(({ event }) => event.kind);
const serials = async (filter: LedgerFilter): Promise<number[]> =>
  (await collect(ledger.query(filter))).flatMap(({ event }) =>
    event.kind === 'x509-svid.issued' ? [Number.parseInt(event.serial, 16) - 0xa000] : [],
  );

describe('a query', () => {
  it('without a filter gives everything once, the oldest first', async () => {
    const all = await collect(ledger.query({}));
    expect(all.map(({ seq }) => seq)).toEqual(Array.from({ length: ledger.head().seq }, (_, i) => i + 1));
  });

  it('finds by SPIFFE ID, also what an entry was before or after a change', async () => {
    expect(await serials({ spiffeId: 'spiffe://example.org/web1' })).toEqual([1, 4, 7, 10, 13, 16, 19, 22, 25, 28]);
    expect(await kinds({ spiffeId: 'spiffe://example.org/old' })).toEqual(['entry.updated']);
    expect(await kinds({ spiffeId: 'spiffe://example.org/we' })).toEqual([]);
  });

  it('finds by owner, also what happened to the owner', async () => {
    expect(await serials({ owner: 'grace' })).toHaveLength(15);
    expect(await kinds({ owner: 'grace', kind: 'person.disabled' })).toEqual(['person.disabled']);
    expect(await kinds({ owner: 'gra' })).toEqual([]);
  });

  it('finds by pid, and not by one that begins with the same digits', async () => {
    expect(await serials({ pid: 1003 })).toEqual([3, 8, 13, 18, 23, 28]);
    expect(await kinds({ pid: 100 })).toEqual(['instance.ended']);
  });

  it('finds a serial number as any program prints it', async () => {
    const [plain, capitals, colons] = ['a00c', '000A00C', '00:00:A0:0C'];
    for (const serial of [plain, capitals, colons]) expect(await serials({ serial })).toEqual([12]);
    expect(await serials({ serial: '00c' })).toEqual([]);
  });

  it('finds by time, number and kind, and all of them together', async () => {
    expect(await serials({ since: beganAt + 28_000 })).toEqual([27, 28, 29]);
    expect((await ledger.get(5))?.seq).toBe(5);
    expect(await ledger.get(5_000)).toBeUndefined();
    expect(await kinds({ kind: 'jwt-svid.issued' })).toEqual([]);
    expect(await serials({ owner: 'ada', pid: 1000, spiffeId: 'spiffe://example.org/web1' })).toEqual([10]);
  });

  it('gives the newest so many, still the oldest first, across segments', async () => {
    expect(await serials({ kind: 'x509-svid.issued', limit: 4 })).toEqual([26, 27, 28, 29]);
    expect(await serials({ spiffeId: 'spiffe://example.org/web0', limit: 5 })).toEqual([15, 18, 21, 24, 27]);
    expect(await serials({ limit: 10_000 })).toHaveLength(30);
    expect(await kinds({ limit: 1 })).toEqual(['instance.ended']);
    expect(await serials({ limit: 0, owner: 'ada' })).toHaveLength(15);
  });

  it('shows only what was durable when it was asked', async () => {
    const before = ledger.head().seq;
    const records = ledger.query({ kind: 'mayfly.stopped' });
    await ledger.append({ kind: 'mayfly.stopped', reason: 'SIGTERM' });
    expect(await collect(records)).toEqual([]);
    expect(ledger.head().seq).toBe(before + 1);
  });
});
