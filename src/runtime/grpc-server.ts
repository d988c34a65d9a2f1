/**
 * A gRPC server beneath which we know the connection: each accepted socket is handed in with a typed peer, and every
 * call carries it. Written on node:http2 because the peer, the order of checks and the limits are what this program is
 * about (docs/decisions/0003-grpc-on-node-http2.md); clients still use @grpc/grpc-js.
 */
import type http2 from 'node:http2';
import type { Duplex } from 'node:stream';
import { IdentityError } from '../errors.ts';
import { elapsed, systemClock } from './clock.ts';
import { GrpcCall } from './grpc-call.ts';
import { type Allowance, GrpcConnection, headerListBytes, noLimit } from './grpc-connection.ts';
import type { Shared } from './grpc-frames.ts';
import { Roster } from './roster.ts';

export type { Allowance, Cut } from './grpc-connection.ts';

/** What ts-proto generates for a method, as far as a server needs it. */
export interface MethodDefinition<Request, Response> {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  requestDeserialize(bytes: Buffer): Request;
  responseSerialize(message: Response): Buffer;
}

/** What a handler may know of its call. */
export interface Call<Peer> {
  readonly peer: Peer;
  /** Request metadata; several values of one key are joined by ", " as HTTP/2 allows. */
  readonly metadata: Readonly<Record<string, string | string[] | undefined>>;
  /** Aborts when the caller has gone, the deadline has passed or the server stops; the reason says which. */
  readonly signal: AbortSignal;
  /** Resolves when it is this caller's turn: before each piece of work that it did not ask for in this moment. */
  turn(): Promise<void>;
}

export type UnaryHandler<Request, Response, Peer> = (
  request: Request,
  call: Call<Peer>,
) => Response | Promise<Response>;
export type ServerStreamHandler<Request, Response, Peer> = (
  request: Request,
  call: Call<Peer>,
) => AsyncIterable<Response | Shared<Response>>;
export type StreamHandler<Request, Response, Peer> = (
  requests: AsyncIterable<Request>,
  call: Call<Peer>,
) => AsyncIterable<Response>;

/** A handler's kind follows from the definition, so that a mismatch does not compile. */
type HandlerFor<Definition, Peer> =
  Definition extends MethodDefinition<infer Request, infer Response>
    ? Definition['requestStream'] extends true
      ? StreamHandler<Request, Response, Peer>
      : Definition['responseStream'] extends true
        ? ServerStreamHandler<Request, Response, Peer>
        : UnaryHandler<Request, Response, Peer>
    : never;

/** One handler for each method of a service, by the generated names. */
export type Handlers<Service, Peer> = { readonly [Name in keyof Service]: HandlerFor<Service[Name], Peer> };

export interface Method<Peer> {
  readonly definition: MethodDefinition<unknown, unknown>;
  readonly handler: (input: unknown, call: Call<Peer>) => unknown;
}

export interface GrpcServerOptions<Peer> {
  /** Runs before a byte of the request is read, for unknown methods too; throws to refuse. */
  readonly admit: (path: string, call: { readonly metadata: Call<Peer>['metadata']; readonly peer: Peer }) => void;
  /** Largest request message in bytes. */
  readonly messageLimit: number;
  /** Told of every call that ended with an error other than the caller's going away. */
  readonly failed: (path: string, peer: Peer, error: unknown) => IdentityError | undefined;
  /** Calls at one time on one connection (SETTINGS_MAX_CONCURRENT_STREAMS). */
  readonly streamsPerConnection: number;
  /** What a caller may send ahead of what was read (RFC 9113 section 5.2); 64 KiB where nothing is said. */
  readonly windowBytes?: number;
}

/** How often connections and calls are looked at for what does not go on. */
const lookMs = 2_000;

export class GrpcServer<Peer> {
  readonly #options: GrpcServerOptions<Peer>;
  readonly #methods = new Map<string, Method<Peer>>();
  readonly #connections = new Roster<GrpcConnection>();
  readonly #calls = new Roster<GrpcCall<Peer>>();
  #stopping = false;
  #looking: Disposable | undefined;

  constructor(options: GrpcServerOptions<Peer>) {
    this.#options = options;
  }

  get openCalls(): number {
    return this.#calls.size;
  }

  add<Service extends Record<string, MethodDefinition<unknown, unknown>>>(
    service: Service,
    handlers: Handlers<Service, Peer>,
  ): void {
    for (const [name, definition] of Object.entries(service)) {
      const handler = Reflect.get(handlers, name) as Method<Peer>['handler'];
      this.#methods.set(definition.path, { definition, handler });
    }
  }

  get openConnections(): number {
    return this.#connections.size;
  }

  /** Speaks HTTP/2 on an accepted socket on behalf of `peer`. Anything that is not HTTP/2 is cut. */
  serve(socket: Duplex, peer: Peer, allowance: Allowance = noLimit): void {
    const connection = new GrpcConnection({
      socket,
      allowance,
      streams: this.#options.streamsPerConnection,
      messageLimit: this.#options.messageLimit,
      window: this.#options.windowBytes,
      begin: (stream, headers, raw) => this.#begin({ stream, headers, raw, peer, allowance }),
      closed: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
    this.#looking ??= systemClock.after(lookMs, () => this.#look());
  }

  /** Ends every open call with Unavailable, then every connection; those that linger are cut after `graceMs`. */
  async stop(graceMs: number, wait: (ms: number) => Promise<void>): Promise<void> {
    this.#stopping = true;
    for (const call of this.#calls.all()) call.abort(stopping());
    const sessions = this.#connections.all().map(({ session }) => session);
    const closed = sessions.map((session) => new Promise<void>((resolve) => session.close(() => resolve())));
    await Promise.race([Promise.all(closed), wait(graceMs)]);
    for (const { session } of this.#connections.all()) session.destroy();
    this.#looking?.[Symbol.dispose]();
  }

  #look(): void {
    const now = elapsed();
    for (const connection of this.#connections.all()) connection.look(now);
    for (const call of this.#calls.all()) call.look(now);
    this.#looking = this.#connections.size > 0 ? systemClock.after(lookMs, () => this.#look()) : undefined;
  }

  #begin({ stream, headers, raw, peer, allowance }: Begun<Peer>): void {
    const path = headers[':path'] ?? '';
    const call = new GrpcCall<Peer>({
      stream,
      headers,
      peer,
      allowance,
      method: this.#methods.get(path),
      messageLimit: this.#options.messageLimit,
      failed: (error) => this.#options.failed(path, peer, error),
      ended: () => this.#calls.delete(call),
    });
    this.#calls.add(call);
    const admit = (): void => {
      if (this.#stopping) throw stopping();
      if (headerListSize(raw) > headerListBytes) throw tooMuchMetadata();
      this.#options.admit(path, { metadata: headers, peer });
    };
    call.begin(admit);
  }
}

interface Begun<Peer> {
  readonly stream: http2.ServerHttp2Stream;
  readonly headers: http2.IncomingHttpHeaders;
  readonly raw: string[];
  readonly peer: Peer;
  readonly allowance: Allowance;
}

/** `raw` is names and values in turn; each pair counts 32 bytes more. */
const headerListSize = (raw: readonly string[]): number =>
  raw.reduce((size, text) => size + text.length, (raw.length / 2) * 32);

const tooMuchMetadata = (): IdentityError =>
  new IdentityError('resource-exhausted', `metadata is limited to ${headerListBytes} bytes`);

const stopping = (): IdentityError => new IdentityError('unavailable', 'the server is stopping');
