import { type ClientReadableStream, type ClientUnaryCall, type ServiceError, status } from '@grpc/grpc-js';
import { codeOfGrpcStatus, IdentityError } from '../errors.ts';

/** The answer of a unary call, which the signal can cancel. */
export async function unary<T>(
  start: (done: (error: ServiceError | null, answer: T) => void) => ClientUnaryCall,
  signal: AbortSignal,
): Promise<T> {
  if (signal.aborted) throw abandoned(signal);
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const call = start((error, answer) => (error === null ? resolve(answer) : reject(error)));
  using _cancel = onAbort(signal, () => call.cancel());
  try {
    return await promise;
  } catch (error) {
    throw signal.aborted ? abandoned(signal) : refused(error);
  }
}

/** Every message of a server stream. The call is cancelled when the reader leaves or the signal aborts. */
export async function* messages<T>(start: () => ClientReadableStream<T>, signal: AbortSignal): AsyncGenerator<T> {
  if (signal.aborted) throw abandoned(signal);
  const call = start();
  // The iterator hears errors while it is read; the one that follows our own cancel has no other listener.
  call.on('error', () => {});
  using _cancel = onAbort(signal, () => call.cancel());
  try {
    for await (const message of call) yield message as T;
  } catch (error) {
    throw signal.aborted ? abandoned(signal) : refused(error);
  } finally {
    call.cancel();
  }
}

/** Waits for `promise` no longer than the signal allows; the work itself goes on. */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  if (signal.aborted) throw abandoned(signal);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  using _reject = onAbort(signal, () => reject(abandoned(signal)));
  return await Promise.race([promise, aborted]);
}

/** What an aborted signal means to the one who waited. `last` is why the waiting took so long. */
export function abandoned(signal: AbortSignal, last?: IdentityError): IdentityError {
  const late = signal.reason instanceof DOMException && signal.reason.name === 'TimeoutError';
  const what = late ? 'The Workload API did not answer in time' : 'The call was cancelled';
  return new IdentityError(
    late ? 'deadline-exceeded' : 'cancelled',
    last === undefined ? `${what}.` : `${what}; the last answer was: ${last.message}`,
    { cause: last ?? signal.reason },
  );
}

export function onAbort(signal: AbortSignal, run: () => void): Disposable {
  signal.addEventListener('abort', run, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener('abort', run) };
}

function refused(error: unknown): IdentityError {
  const { code, details } = error as Partial<ServiceError>;
  if (code === undefined) throw error;
  return new IdentityError(
    codeOfGrpcStatus(code) ?? 'unavailable',
    `The Workload API answered ${status[code]}: ${details || 'no reason given'}`,
    { cause: error, reason: `grpc-status-${code}` },
  );
}
