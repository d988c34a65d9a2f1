import { IdentityError } from '../errors.ts';
import { Watch } from '../runtime/watch.ts';
import { abandoned, onAbort } from './call.ts';
import type { WatchOptions } from './watching.ts';

interface State<T> {
  readonly value: T | undefined;
  /** What went wrong last. */
  readonly error: IdentityError | undefined;
  readonly ended: boolean;
}

/**
 * The newest answer of one watch, whole, or why there is none. Its loop is the only writer. What is valid stays while
 * the server is away; PermissionDenied withdraws it (WA section 5.2.1).
 */
export class Live<T extends object> implements Disposable {
  readonly #state = new Watch<State<T>>({ value: undefined, error: undefined, ended: false });
  readonly #closed = new AbortController();
  readonly #onError: (error: IdentityError) => void;

  private constructor(onError: (error: IdentityError) => void) {
    this.#onError = onError;
  }

  /** Resolves with the first value. The signal bounds this waiting only. */
  static async open<T extends object>(
    watch: (options: WatchOptions) => AsyncIterable<T>,
    { signal, onError = () => {} }: WatchOptions,
  ): Promise<Live<T>> {
    const live = new Live<T>(onError);
    void live.#follow(watch);
    try {
      await live.#first(signal);
      return live;
    } catch (error) {
      live.close();
      throw error;
    }
  }

  get available(): boolean {
    return this.#state.value.value !== undefined;
  }

  /** Throws what withdrew it. */
  get value(): T {
    const { value, error } = this.#state.value;
    if (value === undefined) throw error ?? new TypeError('not opened');
    return value;
  }

  /** After each change of the value, also to and from none. */
  onChange(listener: () => void): Disposable {
    return this.#state.onChange((now, before) => {
      if (now.value !== before.value) apart(listener);
    });
  }

  /** Each value; ends when closed or aborted, throws what ended the watch for good. */
  async *values(signal: AbortSignal): AsyncGenerator<T, void, undefined> {
    let seen: T | undefined;
    for await (const { value, error, ended } of this.#state.values(signal)) {
      if (value !== undefined && value !== seen) yield value;
      seen = value;
      if (this.#closed.signal.aborted) return;
      if (ended) throw error;
    }
  }

  close(): void {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    const error = new IdentityError('failed-precondition', 'This source is closed; open another.');
    this.#state.set({ value: undefined, error, ended: true });
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #follow(watch: (options: WatchOptions) => AsyncIterable<T>): Promise<void> {
    try {
      for await (const value of watch({ signal: this.#closed.signal, onError: (error) => this.#failed(error, false) }))
        this.#state.set({ value, error: undefined, ended: false });
      this.close();
    } catch (error) {
      this.#failed(error as IdentityError, true);
    }
  }

  #failed(error: IdentityError, ended: boolean): void {
    if (this.#closed.signal.aborted) return;
    const withdrawn = error.code === 'permission-denied';
    this.#state.set({ value: withdrawn ? undefined : this.#state.value.value, error, ended });
    this.#onError(error);
  }

  async #first(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = ({ value, error, ended }: State<T>): void => {
      if (value !== undefined) resolve();
      else if (ended) reject(error);
    };
    const giveUp = (): void => reject(signal && abandoned(signal, this.#state.value.error));
    using _look = this.#state.onChange(look);
    using _giveUp = signal && onAbort(signal, giveUp);
    look(this.#state.value);
    if (signal?.aborted) giveUp();
    await promise;
  }
}

/** What a listener throws is its own: it must not end the loop that feeds everybody. */
function apart(listener: () => void): void {
  try {
    listener();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
