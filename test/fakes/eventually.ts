import { setTimeout as pause } from 'node:timers/promises';

/** Waits until `look` gives something true, and gives it back; fails with `what` after thirty seconds. */
export async function eventually<T>(what: string, look: () => T): Promise<NonNullable<T>> {
  const end = performance.now() + 30_000;
  while (performance.now() < end) {
    const seen = look();
    if (seen) return seen;
    await pause(2);
  }
  throw new Error(`did not happen: ${what}`);
}

/** A system clock whose timers run at once, and that remembers how long each should have been. */
export class HastyClock {
  readonly pauses: number[] = [];

  now(): number {
    return Date.now();
  }

  after(ms: number, run: () => void): Disposable {
    this.pauses.push(ms);
    const timer = setTimeout(run, 1);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }
}
