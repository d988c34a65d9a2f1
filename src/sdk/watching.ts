import { MessageChannel } from 'node:worker_threads';
import type { ClientReadableStream } from '@grpc/grpc-js';
import { type ErrorCode, IdentityError } from '../errors.ts';
import { type Clock, sleep } from '../runtime/clock.ts';
import type { Random } from '../runtime/random.ts';
import { messages } from './call.ts';
import { Backoff } from './retry.ts';

export interface WatchOptions {
  /** Ends the watch. */
  readonly signal?: AbortSignal;
  /** Hears of what went wrong and is tried again, and of answers that could not be used. */
  readonly onError?: (error: IdentityError) => void;
}

export interface Watched<Message, Value> {
  open(): ClientReadableStream<Message>;
  /** Parses one complete answer, or throws. `complain` is for a part that was left out. */
  read(message: Message, complain: (error: IdentityError) => void): Value;
}

/** Asking again would change nothing (Workload Endpoint section 6). */
const terminal: ReadonlySet<ErrorCode> = new Set(['invalid-argument', 'unimplemented']);
/** Not a refusal but an end: of the server, of the connection. Our own cancel is known by our own signal. */
const cuts: ReadonlySet<ErrorCode> = new Set(['unavailable', 'cancelled']);

/** Each usable answer of a stream that is opened again whenever it ends, until the signal aborts. */
export async function* watch<Message, Value>(
  watched: Watched<Message, Value>,
  options: { signal: AbortSignal; onError: (error: IdentityError) => void; clock: Clock; random: Random },
): AsyncGenerator<Value, void, undefined> {
  const { signal, onError, clock } = options;
  const backoff = new Backoff(options.random);
  while (!signal.aborted) {
    let cut = false;
    try {
      for await (const message of messages(() => watched.open(), signal)) {
        cut = true;
        backoff.reset();
        const value = usable(watched, message, onError);
        if (value !== undefined) yield value;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof IdentityError) || terminal.has(error.code)) throw error;
      onError(error);
      cut &&= cuts.has(error.code);
    }
    await pause(clock, backoff.delayMs(cut, clock.now()), signal);
  }
}

/** An answer that cannot be used is reported and passed over: what was known before stays (WA section 4.5). */
function usable<Message, Value>(
  watched: Watched<Message, Value>,
  message: Message,
  onError: (error: IdentityError) => void,
): Value | undefined {
  try {
    return watched.read(message, onError);
  } catch (error) {
    if (!(error instanceof IdentityError)) throw error;
    onError(error);
    return undefined;
  }
}

async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (ms === 0) return;
  using _awake = stayAwake();
  await sleep(clock, ms, signal).catch(() => undefined);
}

/** The clock's timers let a process end; one that waits for its agent to come back must not end. */
function stayAwake(): Disposable {
  const { port1 } = new MessageChannel();
  port1.ref();
  return { [Symbol.dispose]: () => port1.close() };
}
