import { describe, expect, it } from 'vitest';
import { Turns } from './turns.ts';

const pieces = (turns: Turns<string>, done: string[], user: string, count: number): Promise<unknown>[] =>
  Array.from({ length: count }, (_, n) => turns.take(user, async () => void done.push(`${user}${n}`))).filter(
    (outcome) => outcome !== undefined,
  );

describe('turns', () => {
  it('R-PEER-7 let one who comes late wait for one piece of each other, not for all of them', async () => {
    const turns = new Turns<string>(100);
    const done: string[] = [];
    await Promise.all([...pieces(turns, done, 'a', 4), ...pieces(turns, done, 'b', 1), ...pieces(turns, done, 'c', 2)]);
    // a0 was begun, and a1 was waiting, before anybody else had come.
    expect(done).toEqual(['a0', 'a1', 'b0', 'c0', 'a2', 'c1', 'a3']);
  });

  it('R-PEER-7 leave the other lane to others while work of one never ends', async () => {
    const turns = new Turns<string>(100, 2);
    const done: string[] = [];
    void turns.take('a', () => new Promise(() => undefined));
    const waiting = pieces(turns, done, 'a', 3);
    await Promise.all([...pieces(turns, done, 'b', 2), ...pieces(turns, done, 'c', 1)]);
    expect(done.toSorted()).toEqual(['b0', 'b1', 'c0']);
    expect(waiting).toHaveLength(3);
  });

  it('go on after work that failed, and after a rest', async () => {
    const turns = new Turns<string>(100);
    const failed = turns.take('a', () => Promise.reject(new Error('broken')));
    const fine = turns.take('a', () => Promise.resolve('fine'));
    await expect(failed).rejects.toThrow('broken');
    await expect(fine).resolves.toBe('fine');
    await expect(turns.take('a', () => Promise.resolve('later'))).resolves.toBe('later');
  });

  it('R-PEER-7 keep no more than a bounded number waiting for one user', async () => {
    const turns = new Turns<string>(3);
    const done: string[] = [];
    const taken = pieces(turns, done, 'a', 10);
    expect(taken.length).toBe(4);
    await Promise.all([...taken, ...pieces(turns, done, 'b', 1)]);
  });
});
