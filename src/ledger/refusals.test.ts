import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../test/fakes/clock.ts';
import { IdentityError } from '../errors.ts';
import type { AttestationRefused, LedgerEvent } from './event.ts';
import { RefusalCounter, type RefusalLimits } from './refusals.ts';

/** Remembers what was appended, and can be full. */
class MemoryLedger {
  readonly events: AttestationRefused[] = [];
  full = false;

  async append(event: LedgerEvent): Promise<{ seq: number; hash: string }> {
    if (this.full) throw new IdentityError('resource-exhausted', 'the disk is full');
    if (event.kind === 'attestation.refused') this.events.push(event);
    return { seq: this.events.length, hash: '' };
  }
}

function counter(limits: Partial<RefusalLimits> = {}) {
  const [ledger, clock] = [new MemoryLedger(), new FakeClock()];
  const refusals = new RefusalCounter(ledger, clock, limits);
  const refuse = (pid: number, uid = 1000, reason = 'no-entry'): void =>
    refusals.count({ pid, startTime: BigInt(pid), uid, gid: 100, reason });
  return { ledger, clock, refusals, refuse };
}

describe('refusals', () => {
  it('R-AUD-1 are on record at once, and the further ones of a process as one record when it ends', async () => {
    const { ledger, clock, refusals, refuse } = counter();
    const start = clock.now();
    refuse(7);
    const who = { kind: 'attestation.refused', pid: 7, startTime: 7, uid: 1000, gid: 100 };
    expect(ledger.events).toEqual([{ ...who, reasons: { 'no-entry': 1 }, count: 1, firstAt: start, lastAt: start }]);
    await clock.advance(10);
    for (let n = 0; n < 100_000; n++) refuse(7, 1000, n % 2 === 0 ? 'no-entry' : 'audience-not-allowed');
    await clock.advance(10);
    refuse(7);
    refusals.ended(7, 7n);
    refusals.ended(7, 7n);
    const reasons = { 'no-entry': 50_001, 'audience-not-allowed': 50_000 };
    const closing = { ...who, reasons, count: 100_001, firstAt: start + 10, lastAt: start + 20 };
    expect(ledger.events.slice(1)).toEqual([closing]);
  });

  it('tell a new process with an old pid apart', () => {
    const { ledger, refusals } = counter();
    for (const startTime of [1n, 2n]) refusals.count({ pid: 7, startTime, uid: 0, gid: 0, reason: 'no-entry' });
    expect(ledger.events.map(({ startTime }) => startTime)).toEqual([1, 2]);
  });

  it('are written every few minutes and at the end, and nothing is written where nothing happened', async () => {
    const { ledger, clock, refusals, refuse } = counter();
    refuse(7);
    refuse(7);
    await clock.advance(5 * 60_000);
    expect(ledger.events.map(({ count }) => count)).toEqual([1, 1]);
    await clock.advance(60 * 60_000);
    expect(ledger.events).toHaveLength(2);
    refuse(7);
    refuse(7);
    await refusals.close();
    expect(ledger.events.map(({ count }) => count)).toEqual([1, 1, 1, 1]);
  });

  it('of many processes of one user are counted under the user, and do not hide those of another', async () => {
    const { ledger, refusals, refuse } = counter();
    for (let pid = 1; pid <= 50_000; pid++) {
      refuse(pid);
      refusals.ended(pid, BigInt(pid));
    }
    refuse(99_999, 2000);
    expect(ledger.events).toHaveLength(101);
    expect(ledger.events.at(-1)).toMatchObject({ uid: 2000, pid: 99_999 });
    await refusals.flush();
    expect(ledger.events.at(-1)).toMatchObject({ uid: 1000, count: 49_900 });
    expect(ledger.events.at(-1)).not.toHaveProperty('pid');
  });

  it('of many users are bounded too, in records and in memory', async () => {
    const { ledger, clock, refusals, refuse } = counter({ processes: 50, tracked: 60 });
    for (let uid = 1; uid <= 5_000; uid++) refuse(uid, uid);
    expect(ledger.events).toHaveLength(50);
    await refusals.flush();
    expect(ledger.events).toHaveLength(61);
    const total = ledger.events.reduce((sum, { count }) => sum + count, 0);
    expect(total).toBe(5_000);
    await clock.advance(15 * 60_000);
    refuse(1, 1);
    expect(ledger.events.at(-1)).toMatchObject({ pid: 1, uid: 1 });
    await refusals.close();
  });

  it('are counted on while the disk is full', async () => {
    const { ledger, refusals, refuse } = counter();
    ledger.full = true;
    for (let n = 0; n < 5; n++) refuse(7);
    await refusals.flush();
    refusals.ended(7, 7n);
    ledger.full = false;
    await refusals.flush();
    await refusals.flush();
    expect(ledger.events).toMatchObject([{ pid: 7, count: 5, reasons: { 'no-entry': 5 } }]);
  });
});
