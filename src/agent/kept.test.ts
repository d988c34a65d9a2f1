import { describe, expect, it } from 'vitest';
import { Kept } from './kept.ts';

const at = 1_000_000;
const answer = { dueAt: at + 500, endsAt: Infinity };

function kept(more: Partial<typeof answer> = {}) {
  const keeper = new Kept<typeof answer>();
  keeper.keep({ ...answer, ...more }, 7, at);
  return (version: number, now: number) => keeper.answer(version, now) !== undefined;
}

describe('an answer that is kept for the other streams of a process', () => {
  it('holds until something changes', () => {
    expect(kept()(7, at)).toBe(true);
    expect(kept()(8, at)).toBe(false);
  });

  it('holds until something in it is due, or has ended', () => {
    expect(kept()(7, at + 499)).toBe(true);
    expect(kept()(7, at + 500)).toBe(false);
    expect(kept({ endsAt: at + 10 })(7, at + 10)).toBe(false);
  });

  it('holds a second at the most, and not where the clock was set back', () => {
    expect(kept({ dueAt: Infinity })(7, at + 999)).toBe(true);
    expect(kept({ dueAt: Infinity })(7, at + 1_000)).toBe(false);
    expect(kept()(7, at - 1)).toBe(false);
  });
});
