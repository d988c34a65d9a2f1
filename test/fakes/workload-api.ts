import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Metadata, Server, ServerCredentials, type ServerWritableStream } from '@grpc/grpc-js';
import {
  type JWTBundlesResponse,
  type JWTSVIDRequest,
  type JWTSVIDResponse,
  SpiffeWorkloadAPIService,
  type ValidateJWTSVIDRequest,
  type ValidateJWTSVIDResponse,
  type X509BundlesResponse,
  type X509SVIDResponse,
} from '../../src/gen/workload.ts';

/** How the fake ends a call: a gRPC status number and its text. */
export class Status {
  readonly code: number;
  readonly details: string;

  constructor(code: number, details: string) {
    this.code = code;
    this.details = details;
  }
}

export interface RecordedCall {
  readonly method: string;
  /** Every value of the security header. */
  readonly header: readonly (string | Buffer)[];
  readonly at: number;
}

/** One stream RPC: what new streams are answered with, and the streams that are open. */
export class Feed<Message> {
  #answer: Message | Status | undefined;
  readonly #streams = new Set<ServerWritableStream<unknown, Message>>();

  /** The answer from now on, written to every open stream at once. */
  send(message: Message): void {
    this.#answer = message;
    for (const stream of this.#streams) stream.write(message);
  }

  /** Ends the open streams with a status, and every new one until the next `send`. */
  fail(code: number, details: string): void {
    this.#answer = new Status(code, details);
    for (const stream of this.#streams) this.#end(stream, this.#answer);
  }

  /** Ends the open streams with OK, or with a status that new ones do not get. */
  cut(status?: Status): void {
    for (const stream of this.#streams) this.#end(stream, status);
  }

  get open(): number {
    return this.#streams.size;
  }

  serve(stream: ServerWritableStream<unknown, Message>): void {
    this.#streams.add(stream);
    stream.on('cancelled', () => this.#streams.delete(stream));
    if (this.#answer instanceof Status) this.#end(stream, this.#answer);
    else if (this.#answer !== undefined) stream.write(this.#answer);
  }

  #end(stream: ServerWritableStream<unknown, Message>, status: Status | undefined): void {
    this.#streams.delete(stream);
    if (status === undefined) stream.end();
    else stream.emit('error', { code: status.code, details: status.details });
  }
}

/**
 * A Workload API that does what a test tells it: a real gRPC server on a real Unix socket. Until told otherwise its
 * streams stay silent and its unary calls answer Unimplemented.
 */
export class FakeWorkloadApi implements AsyncDisposable {
  readonly x509Svids = new Feed<X509SVIDResponse>();
  readonly x509Bundles = new Feed<X509BundlesResponse>();
  readonly jwtBundles = new Feed<JWTBundlesResponse>();
  jwtSvids: (request: JWTSVIDRequest) => JWTSVIDResponse | Status | Promise<JWTSVIDResponse | Status> = () => notTold;
  validation: (request: ValidateJWTSVIDRequest) => ValidateJWTSVIDResponse | Status = () => notTold;
  readonly calls: RecordedCall[] = [];
  readonly path: string;
  #server: Server | undefined;

  private constructor(path: string) {
    this.path = path;
  }

  static async start(): Promise<FakeWorkloadApi> {
    const api = new FakeWorkloadApi(join(await mkdtemp(join(tmpdir(), 'workload-api-')), 'api.sock'));
    await api.restart();
    return api;
  }

  get address(): string {
    return `unix://${this.path}`;
  }

  /** Dies without a word, as by kill -9. */
  kill(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
  }

  async restart(): Promise<void> {
    await rm(this.path, { force: true });
    const server = new Server();
    server.addService(SpiffeWorkloadAPIService, this.#service());
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const credentials = ServerCredentials.createInsecure();
    server.bindAsync(this.address, credentials, (error) => (error === null ? resolve() : reject(error)));
    await promise;
    this.#server = server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await rm(join(this.path, '..'), { recursive: true, force: true });
  }

  #service() {
    return {
      fetchX509Svid: this.#stream('FetchX509SVID', this.x509Svids),
      fetchX509Bundles: this.#stream('FetchX509Bundles', this.x509Bundles),
      fetchJwtBundles: this.#stream('FetchJWTBundles', this.jwtBundles),
      fetchJwtsvid: this.#unary('FetchJWTSVID', (request: JWTSVIDRequest) => this.jwtSvids(request)),
      validateJwtsvid: this.#unary('ValidateJWTSVID', (request: ValidateJWTSVIDRequest) => this.validation(request)),
      fetchWitsvid: this.#stream('FetchWITSVID', new Feed()),
      fetchWitBundles: this.#stream('FetchWITBundles', new Feed()),
    };
  }

  #stream<Message>(method: string, feed: Feed<Message>) {
    return (stream: ServerWritableStream<unknown, Message>): void => {
      this.#record(method, stream.metadata);
      feed.serve(stream);
    };
  }

  #unary<Request, Answer>(method: string, answer: (request: Request) => Answer | Status | Promise<Answer | Status>) {
    return async (
      call: { request: Request; metadata: Metadata },
      done: (error: Status | null, answer?: Answer) => void,
    ): Promise<void> => {
      this.#record(method, call.metadata);
      const given = await answer(call.request);
      if (given instanceof Status) done(given);
      else done(null, given);
    };
  }

  #record(method: string, metadata: Metadata): void {
    this.calls.push({ method, header: metadata.get('workload.spiffe.io'), at: performance.now() });
  }
}

const notTold = new Status(12, 'the test did not say what to answer');
