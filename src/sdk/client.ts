import { credentials, Metadata } from '@grpc/grpc-js';
import { IdentityError } from '../errors.ts';
import { ExchangesClient } from '../gen/mayfly/workload/v1/exchanges.ts';
import {
  type JWTBundlesResponse,
  type JWTSVIDResponse,
  SpiffeWorkloadAPIClient as Stub,
  type ValidateJWTSVIDResponse,
  type X509BundlesResponse,
  type X509SVIDResponse,
} from '../gen/workload.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { type Random, systemRandom } from '../runtime/random.ts';
import { abandoned, messages, unary } from './call.ts';
import { findEndpoint, grpcTarget } from './endpoint.ts';
import { Exchanges } from './exchanges.ts';
import {
  audienceSet,
  type FetchedJwtSvid,
  type JwtBundles,
  readJwtBundles,
  readJwtSvids,
  readValidated,
  type ValidatedJwtSvid,
} from './jwt-answers.ts';
import { type Watched, type WatchOptions, watch } from './watching.ts';
import { readX509Bundles, readX509Context, type X509Bundles, type X509Context } from './x509-context.ts';

export interface WorkloadApiClientOptions {
  /** `unix:///path/to/socket` or `tcp://127.0.0.1:port`; `SPIFFE_ENDPOINT_SOCKET` when absent. */
  readonly address?: string;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface JwtSvidRequest extends CallOptions {
  readonly audience: string | readonly string[];
  /** Only this identity; all of ours when absent. */
  readonly spiffeId?: string;
}

export interface JwtSvidToValidate extends CallOptions {
  readonly audience: string;
  readonly token: string;
}

/**
 * The SPIFFE Workload API, whoever serves it. Connects with the first call. `fetch…` asks once; `watch…` gives every
 * change, across restarts of the server, until its signal aborts.
 *
 * @example
 * using client = new WorkloadApiClient();
 * const { svids: [svid] } = await client.fetchX509Context({ signal: AbortSignal.timeout(5_000) });
 */
export class WorkloadApiClient implements Disposable {
  readonly clock: Clock;
  readonly #random: Random;
  /** What is obtained elsewhere with these SVIDs, in mayfly's ledger. */
  readonly exchanges: Exchanges;
  readonly #stub: Stub;
  readonly #closed = new AbortController();

  constructor(options: WorkloadApiClientOptions = {}) {
    this.clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    const [target, insecure] = [grpcTarget(findEndpoint(options.address)), credentials.createInsecure()];
    this.#stub = new Stub(target, insecure, channel);
    const sameConnection = { channelOverride: this.#stub.getChannel() };
    this.exchanges = new Exchanges(new ExchangesClient(target, insecure, sameConnection), (signal) =>
      this.#until(signal),
    );
  }

  /** Who we are and whom to believe, now. */
  fetchX509Context(options: CallOptions = {}): Promise<X509Context> {
    return this.#first(this.#x509Context, options);
  }

  /** Who we are and whom to believe, whenever it changes. */
  watchX509Context(options: WatchOptions = {}): AsyncIterable<X509Context> {
    return this.#watch(this.#x509Context, options);
  }

  fetchX509Bundles(options: CallOptions = {}): Promise<X509Bundles> {
    return this.#first(this.#x509Bundles, options);
  }

  watchX509Bundles(options: WatchOptions = {}): AsyncIterable<X509Bundles> {
    return this.#watch(this.#x509Bundles, options);
  }

  /** A fresh answer for each of our identities, or the one asked for. {@link JwtSource} caches them. */
  async fetchJwtSvids(request: JwtSvidRequest): Promise<readonly FetchedJwtSvid[]> {
    const audience = [...audienceSet(request.audience)];
    const message = await unary<JWTSVIDResponse>(
      (done) => this.#stub.fetchJwtsvid({ audience, spiffeId: request.spiffeId ?? '' }, header(), done),
      this.#until(request.signal),
    );
    return readJwtSvids(message, audience);
  }

  fetchJwtBundles(options: CallOptions = {}): Promise<JwtBundles> {
    return this.#first(this.#jwtBundles, options);
  }

  watchJwtBundles(options: WatchOptions = {}): AsyncIterable<JwtBundles> {
    return this.#watch(this.#jwtBundles, options);
  }

  /** Lets the server judge a token, by its bundles and its rules. */
  async validateJwtSvid({ audience, token, signal }: JwtSvidToValidate): Promise<ValidatedJwtSvid> {
    return readValidated(
      await unary<ValidateJWTSVIDResponse>(
        (done) => this.#stub.validateJwtsvid({ audience, svid: token }, header(), done),
        this.#until(signal),
      ),
    );
  }

  /** Ends every call and watch. */
  close(): void {
    this.#closed.abort();
    this.#stub.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  readonly #x509Context: Watched<X509SVIDResponse, X509Context> = {
    open: () => this.#stub.fetchX509Svid({}, header()),
    read: readX509Context,
  };

  readonly #x509Bundles: Watched<X509BundlesResponse, X509Bundles> = {
    open: () => this.#stub.fetchX509Bundles({}, header()),
    read: readX509Bundles,
  };

  readonly #jwtBundles: Watched<JWTBundlesResponse, JwtBundles> = {
    open: () => this.#stub.fetchJwtBundles({}, header()),
    read: readJwtBundles,
  };

  async #first<M, T>(watched: Watched<M, T>, options: CallOptions): Promise<T> {
    const signal = this.#until(options.signal);
    for await (const message of messages(() => watched.open(), signal)) return watched.read(message, () => {});
    throw signal.aborted ? abandoned(signal) : new IdentityError('unavailable', 'The Workload API ended the stream.');
  }

  #watch<M, T>(watched: Watched<M, T>, { signal, onError = () => {} }: WatchOptions): AsyncIterable<T> {
    return watch(watched, { signal: this.#until(signal), onError, clock: this.clock, random: this.#random });
  }

  #until(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#closed.signal : AbortSignal.any([this.#closed.signal, signal]);
  }
}

/** On every request; proves that the caller can set metadata, which a forged fetch cannot (WE section 3). */
function header(): Metadata {
  const metadata = new Metadata();
  metadata.set('workload.spiffe.io', 'true');
  return metadata;
}

const channel = {
  // The pauses between attempts are ours; the channel's own, up to two minutes, would lie between them.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 100,
  // The endpoint is local: no proxy, no DNS, and no connection that outlives its client in a shared pool.
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.use_local_subchannel_pool': 1,
} as const;
