import { beforeAll, describe, expect, it } from 'vitest';
import { attack, wrong } from './run.ts';

const sum = (tallies: ReturnType<typeof attack>, column: string): number =>
  Object.values(tallies).reduce((total, tally) => total + (tally[column] ?? 0), 0);

describe('a real issuer, stopped in the middle of its work', () => {
  it('R-PEER-1 row 27: gives nothing to whoever holds the connection of a process whose pid is another’s now', () => {
    const tallies = attack('pid-reuse', 6);
    for (const tally of Object.values(tallies)) expect(wrong(tally), JSON.stringify(tallies)).toBe(0);
    expect(sum(tallies, 'reused')).toBe(42);
    // The attack would work on whoever knows a process by its pid, and often on who compares start times as well.
    expect(sum(tallies, 'foolsPid')).toBe(42);
  });

  describe('that programs ask and then become others', () => {
    let tallies: ReturnType<typeof attack>;
    beforeAll(() => {
      tallies = attack('exec-swap', 4);
    });

    it('R-PEER-2 row 28: connect-then-exec with an accomplice on the connection, and an exec in mid-stream, get nothing more', () => {
      for (const tally of Object.values(tallies)) expect(wrong(tally), JSON.stringify(tallies)).toBe(0);
      expect(sum(tallies, 'rounds')).toBe(14 * 4 + 2 * 4);
    });

    it('R-PEER-2 cannot see a program that was exchanged, after it had asked, before it was accepted: docs/security.md says so', () => {
      expect(tallies['asked and changed before accept']).toMatchObject({ rounds: 8, mistaken: 0, unseen: 4 });
    });
  });
});
