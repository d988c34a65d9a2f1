/**
 * The newest value of something, for many readers. One writer sets it; a slow reader skips what it missed and never
 * queues, because every value is complete.
 */
export class Watch<T> {
  #value: T;
  readonly #listeners = new Set<(value: T, previous: T) => void>();

  constructor(initial: T) {
    this.#value = initial;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    const previous = this.#value;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener(value, previous);
  }

  /** Calls `listener` after each change, synchronously with `set`, until disposed. */
  onChange(listener: (value: T, previous: T) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** The value now, then the newest value whenever it changed since the reader last looked. Ends when aborted. */
  async *values(signal: AbortSignal): AsyncGenerator<T, void, undefined> {
    const wake = new Wake();
    using _listener = this.onChange(() => wake.ring());
    while (!signal.aborted) {
      yield this.#value;
      await wake.wait(signal);
    }
  }
}

/** A bell that one waiter hears; a ring while nobody waits is remembered once. */
export class Wake {
  #rung = false;
  #resolve: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#resolve?.();
  }

  /** Resolves when rung, or when `signal` aborts; the caller looks at the signal. */
  async wait(signal: AbortSignal): Promise<void> {
    if (!this.#rung && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#resolve = resolve;
        signal.addEventListener('abort', this.#give, { once: true });
      });
      signal.removeEventListener('abort', this.#give);
      this.#resolve = undefined;
    }
    this.#rung = false;
  }

  readonly #give = (): void => this.#resolve?.();
}
