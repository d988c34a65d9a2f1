/** Time as a value. Wall time says what is written into documents; timers run on the monotonic clock. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Runs `run` once, `ms` from now, unless disposed before. Never keeps the process alive by itself. */
  after(ms: number, run: () => void): Disposable;
}

/** setTimeout counts in 32 bits: a longer wait is taken in steps of this many milliseconds. */
const longestTimer = 2 ** 31 - 1;

/**
 * Node keeps a list for each different wait of timers that hold nobody, until that wait is over, though nothing is left in
 * it: a caller who asks with another deadline each time would fill memory. So there are some two thousand waits, each at
 * most a thirty-second longer than what was asked for.
 */
export function coarse(ms: number): number {
  const unit = 2 ** Math.max(0, Math.floor(Math.log2(Math.max(ms, 1))) - 5);
  return Math.ceil(ms / unit) * unit;
}

function schedule(ms: number, run: () => void): Disposable {
  let timer: NodeJS.Timeout;
  const arm = (left: number): void => {
    const step = Math.min(coarse(Math.max(left, 0)), longestTimer);
    timer = setTimeout(() => (left > step ? arm(left - step) : run()), step);
    timer.unref();
  };
  arm(ms);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

export const systemClock: Clock = { now: () => Date.now(), after: schedule };

/** How often the clock is looked at, and what it may differ from what has passed since: timers are late under load. */
const lookMs = 1_000;
const jumpMs = 2_000;

/** Calls `jumped` within a second when the clock was set, or the machine slept: timers count neither. */
export function onJump(clock: Clock, jumped: () => void): Disposable {
  let timer: Disposable;
  const look = (before: number): void => {
    timer = clock.after(lookMs, () => {
      const now = clock.now();
      look(now);
      if (Math.abs(now - before - lookMs) > jumpMs) jumped();
    });
  };
  look(clock.now());
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}

/** Resolves after `ms`, or rejects with the signal's reason. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error);
    const give = (): void => {
      timer[Symbol.dispose]();
      reject(signal?.reason as Error);
    };
    const timer = clock.after(ms, () => {
      signal?.removeEventListener('abort', give);
      resolve();
    });
    signal?.addEventListener('abort', give, { once: true });
  });
}

/** Monotonic milliseconds, for durations that are measured and never written down. */
export const elapsed = (): number => performance.now();
