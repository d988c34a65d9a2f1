import { describe, expect, it } from 'vitest';
import { FairTurns, type Turn } from './fair-turns.ts';

/** An event loop that is turned by hand, and work that takes as long as it says. */
class Loop {
  now = 0;
  readonly done: string[] = [];
  #next: (() => void)[] = [];
  readonly turns = new FairTurns({ now: () => this.now, soon: (work) => void this.#next.push(work) });

  order(turn: Turn, name: string, ms: number): void {
    turn.run(() => {
      this.now += ms;
      this.done.push(name);
    });
  }

  /** One turn of the event loop; what it orders is for the next. */
  spin(): void {
    for (const work of this.#next.splice(0)) work();
  }

  get idle(): boolean {
    return this.#next.length === 0;
  }

  untilIdle(): number {
    let spins = 0;
    for (; !this.idle; spins++) this.spin();
    return spins;
  }
}

const orders = (loop: Loop, turn: Turn, name: string, count: number, ms: number): void => {
  for (let at = 0; at < count; at++) loop.order(turn, name, ms);
};

describe('turns', () => {
  it('R-NET-5 let who has nothing waiting go first, however much another has ordered', () => {
    const loop = new Loop();
    const [flood, quiet] = [loop.turns.turn(), loop.turns.turn()];
    orders(loop, flood, 'flood', 1_000, 0.5);
    const before = loop.now;
    loop.order(quiet, 'quiet', 0.1);
    expect(loop.done.at(-1)).toBe('quiet');
    // A share, and what was begun in it.
    expect(before).toBeLessThanOrEqual(1.5);
  });

  it('R-NET-5 bound how long one turn of the event loop takes, however many users flood', () => {
    const loop = new Loop();
    for (let user = 0; user < 50; user++) orders(loop, loop.turns.turn(), `user ${user}`, 20, 0.25);
    loop.spin();
    for (let spin = 0; spin < 100 && !loop.idle; spin++) {
      const before = loop.now;
      loop.spin();
      expect(loop.now - before).toBeLessThanOrEqual(2.5);
    }
  });

  it('give each user as much as the other, whatever one piece of its work costs', () => {
    const loop = new Loop();
    const [heavy, light] = [loop.turns.turn(), loop.turns.turn()];
    orders(loop, heavy, 'heavy', 100, 5);
    orders(loop, light, 'light', 2_000, 0.1);
    while (loop.done.filter((name) => name === 'light').length < 1_000) loop.spin();
    const spent = loop.done.filter((name) => name === 'heavy').length * 5;
    expect(spent).toBeGreaterThan(50);
    expect(spent).toBeLessThan(160);
  });

  it('do all of it in its order, and then nothing', () => {
    const loop = new Loop();
    const turn = loop.turns.turn();
    for (let at = 0; at < 100; at++) loop.order(turn, String(at), 0.3);
    loop.untilIdle();
    expect(loop.done).toEqual(Array.from({ length: 100 }, (_, at) => String(at)));
    expect(loop.idle).toBe(true);
  });

  it('R-NET-5 do not make a user pay for an hour in which the whole process was suspended', () => {
    const loop = new Loop();
    const turn = loop.turns.turn();
    loop.order(turn, 'suspended', 3_600_000);
    loop.order(turn, 'next', 0.1);
    expect(loop.untilIdle()).toBeLessThan(1_000);
    expect(loop.done).toEqual(['suspended', 'next']);
  });

  it('do not hold up a user who is alone', () => {
    const loop = new Loop();
    const turn = loop.turns.turn();
    orders(loop, turn, 'work', 1_000, 0.05);
    // Ten pieces in each turn of the loop.
    expect(loop.untilIdle()).toBeLessThan(120);
  });
});
