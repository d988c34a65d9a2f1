/** One gRPC call: a stream of HTTP/2 with its request read, its handler run and its status sent exactly once. */
import type http2 from 'node:http2';
import { IdentityError } from '../errors.ts';
import { elapsed, systemClock } from './clock.ts';
import { failpoint } from './failpoint.ts';
import type { Allowance } from './grpc-connection.ts';
import { FrameReader, frame, parseTimeout, Shared } from './grpc-frames.ts';
import type { Call, Method } from './grpc-server.ts';
import { responseHeaders, statusOf } from './grpc-status.ts';
import type { Member } from './roster.ts';
import { Wake } from './watch.ts';

export interface GrpcCallParts<Peer> {
  readonly stream: http2.ServerHttp2Stream;
  readonly headers: http2.IncomingHttpHeaders;
  readonly peer: Peer;
  readonly allowance: Allowance;
  readonly method: Method<Peer> | undefined;
  readonly messageLimit: number;
  /** Told of an error; what it returns is what the caller sees. */
  readonly failed: (error: unknown) => IdentityError | undefined;
  readonly ended: () => void;
}

/** For the whole of a request that is one message. */
const requestMs = 10_000;
/** For one answer to be taken. Who reads slower than this is not served (reliability: slow readers). */
const answerMs = 60_000;

export class GrpcCall<Peer> implements Call<Peer>, Member {
  place = 0;
  readonly peer: Peer;
  readonly metadata: Call<Peer>['metadata'];
  readonly #parts: GrpcCallParts<Peer>;
  readonly #stream: http2.ServerHttp2Stream;
  #abort: AbortController | undefined;
  #reason: IdentityError | undefined;
  #deadline: Disposable | undefined;
  #done = false;
  #gone = false;
  #begun = false;
  /** Bytes that are kept for this call. */
  #kept = 0;
  /** When the caller must have done what we wait for. */
  #dueAt = Infinity;

  constructor(parts: GrpcCallParts<Peer>) {
    this.#parts = parts;
    this.#stream = parts.stream;
    this.peer = parts.peer;
    this.metadata = parts.headers;
    this.#stream.on('close', () => this.#closed());
  }

  /** Made when first asked for: most unary calls never do. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#gone) this.#reason ??= callerGone;
    if (this.#reason !== undefined) this.#abort.abort(this.#reason);
    return this.#abort.signal;
  }

  /** Ends the call early; what waits on `signal` wakes, and the caller sees the reason's status. */
  abort(reason: IdentityError): void {
    if (this.#reason !== undefined || this.#done) return;
    this.#reason = reason;
    this.#abort?.abort(reason);
    this.#finish(reason);
  }

  /** Whoever neither sends nor takes what we wait for does not keep us waiting for ever. */
  look(now: number): void {
    if (now < this.#dueAt) return;
    this.#dueAt = Infinity;
    this.abort(new IdentityError('deadline-exceeded', 'the request did not end, or the answer was not read'));
    this.#stream.destroy();
  }

  turn(): Promise<void> {
    return new Promise((resolve) => this.#parts.allowance.run(resolve));
  }

  /** Counts as open from now on, and goes on when it is its caller's turn. */
  begin(admit: () => void): void {
    const { allowance } = this.#parts;
    this.#guarded(() => {
      allowance.keep('calls', 1);
      this.#begun = true;
      allowance.run(() => this.#run(admit));
    });
  }

  /** Order of checks: HTTP, our own admission, the method, the request's shape; then the handler. */
  #run(admit: () => void): void {
    if (this.#done) return;
    try {
      this.#checkHttp();
      admit();
      if (this.#parts.method === undefined) throw new IdentityError('unimplemented', 'no such method');
      this.#armDeadline();
      if (this.#parts.method.definition.requestStream) this.#runStreaming(this.#parts.method);
      else this.#readOne(this.#parts.method);
    } catch (error) {
      this.#fail(error);
    }
  }

  #checkHttp(): void {
    const { headers } = this.#parts;
    const type = headers['content-type'] ?? '';
    if (headers[':method'] !== 'POST' || (type !== 'application/grpc' && type !== 'application/grpc+proto')) {
      this.#done = true;
      this.#stream.respond({ ':status': headers[':method'] === 'POST' ? 415 : 405 }, { endStream: true });
      throw new IdentityError('invalid-argument', 'this endpoint speaks gRPC only');
    }
    if ((headers['grpc-encoding'] ?? 'identity') !== 'identity') {
      throw new IdentityError('unimplemented', 'compressed messages are not accepted');
    }
  }

  #armDeadline(): void {
    const timeout = parseTimeout(this.#parts.headers['grpc-timeout']);
    if (timeout === undefined) return;
    const late = (): void => this.abort(new IdentityError('deadline-exceeded', 'the deadline has passed'));
    this.#deadline = systemClock.after(timeout, late);
  }

  /** A method that takes one message gets exactly one, or is refused (gRPC: request cardinality violation). */
  #readOne(method: Method<Peer>): void {
    const reader = new FrameReader(this.#parts.messageLimit);
    const messages: Buffer[] = [];
    this.#dueAt = elapsed() + requestMs;
    this.#stream.on('data', (chunk: Buffer) =>
      this.#guarded(() => {
        this.#keep(chunk.length);
        messages.push(...reader.push(chunk));
        // At once: empty messages cost their sender five bytes each, and might never end.
        if (messages.length > 1) throw notExactlyOne();
      }),
    );
    this.#stream.on('end', () =>
      this.#guarded(() => {
        this.#dueAt = Infinity;
        this.#keep(-this.#kept);
        reader.end();
        const [message] = messages;
        if (message === undefined) throw notExactlyOne();
        void this.#answer(method, method.handler(decode(method, message), this));
      }),
    );
  }

  #runStreaming(method: Method<Peer>): void {
    void this.#answer(method, method.handler(this.#requests(method), this));
  }

  async *#requests(method: Method<Peer>): AsyncGenerator<unknown, void, undefined> {
    const reader = new FrameReader(this.#parts.messageLimit);
    // A handler that has read enough answers on the same stream: leaving this loop must not destroy it.
    for await (const chunk of this.#stream.iterator({ destroyOnReturn: false })) {
      for (const message of reader.push(chunk as Buffer)) yield decode(method, message);
    }
    reader.end();
  }

  async #answer(method: Method<Peer>, result: unknown): Promise<void> {
    try {
      const { responseStream, responseSerialize } = method.definition;
      if (responseStream) {
        for await (const message of result as AsyncIterable<unknown>) {
          if (this.#done) break;
          await this.#send(
            message instanceof Shared ? message.framed(responseSerialize) : frame(responseSerialize(message)),
          );
        }
        this.#finish(undefined);
      } else {
        const message = result instanceof Promise ? await result : result;
        const encoded = responseSerialize(message);
        failpoint('rpc.answer-encoded');
        this.#finish(undefined, encoded);
        failpoint('rpc.answered');
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /**
   * Resolves when the message has left: there is never more than one under way, and whoever produces them skips what was
   * overtaken.
   */
  async #send(framed: Buffer): Promise<void> {
    this.#keep(framed.length);
    if (!this.#stream.headersSent) this.#stream.respond(responseHeaders, { waitForTrailers: true });
    const left = new Wake();
    this.#dueAt = elapsed() + answerMs;
    this.#stream.write(framed, () => left.ring());
    await left.wait(this.signal);
    this.#dueAt = Infinity;
    this.#keep(-this.#kept);
  }

  #keep(bytes: number): void {
    this.#parts.allowance.keep('bytes', bytes);
    this.#kept += bytes;
  }

  #guarded(step: () => void): void {
    if (this.#done) return;
    try {
      step();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (this.#done) return;
    const shown = this.#parts.failed(error);
    this.#finish(shown ?? new Error('internal error'));
  }

  /** Sends the status, once. Without headers on the wire yet, one HEADERS frame says it all. */
  #finish(error: Error | undefined, last?: Buffer): void {
    if (this.#done) return;
    this.#done = true;
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    this.#dueAt = elapsed() + answerMs;
    if (error !== undefined && !stream.headersSent) {
      stream.respond({ ...responseHeaders, ...statusOf(error) }, { endStream: true });
      this.#discardRequest();
      return;
    }
    if (!stream.headersSent) stream.respond(responseHeaders, { waitForTrailers: true });
    stream.once('wantTrailers', () => stream.sendTrailers(statusOf(error)));
    stream.end(last === undefined ? undefined : frame(last));
  }

  /** A caller that is still sending is told to stop; what it sends is not kept. */
  #discardRequest(): void {
    this.#stream.removeAllListeners('data');
    this.#stream.resume();
  }

  #closed(): void {
    this.#done = true;
    this.#gone = true;
    this.#deadline?.[Symbol.dispose]();
    if (this.#kept > 0) this.#keep(-this.#kept);
    if (this.#begun) this.#parts.allowance.keep('calls', -1);
    this.#begun = false;
    if (this.#abort !== undefined && this.#reason === undefined) {
      this.#reason = callerGone;
      this.#abort.abort(this.#reason);
    }
    this.#parts.ended();
  }
}

const notExactlyOne = (): IdentityError => new IdentityError('unimplemented', 'this method takes exactly one message');

/** One for all: an error costs its stack, and this one says nothing. */
const callerGone = new IdentityError('cancelled', 'the caller has gone');

function decode<Peer>(method: Method<Peer>, message: Buffer): unknown {
  try {
    return method.definition.requestDeserialize(message);
  } catch (cause) {
    throw new IdentityError('invalid-argument', 'the request is not a valid protobuf message', { cause });
  }
}
