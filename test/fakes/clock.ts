import type { Clock } from '../../src/runtime/clock.ts';

/** A clock that moves only when told; timers fire in order of their moment. */
export class FakeClock implements Clock {
  #now: number;
  #timers: { at: number; run: () => void }[] = [];

  constructor(start: number | string = '2026-11-23T12:00:00Z') {
    this.#now = typeof start === 'string' ? Date.parse(start) : start;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): Disposable {
    // As a machine's: it counts whole milliseconds.
    const timer = { at: this.#now + Math.ceil(Math.max(ms, 0)), run };
    this.#timers.push(timer);
    return {
      [Symbol.dispose]: () => {
        this.#timers = this.#timers.filter((t) => t !== timer);
      },
    };
  }

  /** Moves on by `ms`, running what falls due, and lets promises settle in between. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settle();
      const next = this.#timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((t) => t !== next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    this.#now = end;
    await settle();
  }

  /** A step of the wall clock alone: timers keep their distance. */
  jump(ms: number): void {
    this.#now += ms;
    for (const timer of this.#timers) timer.at += ms;
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
