import { IdentityError } from '../errors.ts';
import type { JwtAuthority } from '../spiffe/bundle.ts';
import { SpiffeId, type TrustDomain } from '../spiffe/id.ts';
import { type JwtSvid, verifyJwtSvid } from '../spiffe/jwt-svid.ts';
import { withHint } from './answer.ts';
import { unlessAborted } from './call.ts';
import { type CallOptions, type JwtSvidToValidate, WorkloadApiClient } from './client.ts';
import { audienceSet, type FetchedJwtSvid, type JwtBundles, type ValidatedJwtSvid } from './jwt-answers.ts';
import { Live } from './live.ts';
import { TokenCache } from './token-cache.ts';

export interface JwtSourceOptions {
  /** A client of your own, which stays open; else one is made of `address` and closed with the source. */
  readonly client?: WorkloadApiClient;
  /** `unix:///path/to/socket` or `tcp://127.0.0.1:port`; `SPIFFE_ENDPOINT_SOCKET` when absent. */
  readonly address?: string;
  /** How long to wait for the first bundles. The open source does not heed it. */
  readonly signal?: AbortSignal;
  /** Hears of what went wrong and is tried again, and of answers that could not be used. */
  readonly onError?: (error: IdentityError) => void;
}

export interface JwtFetchOptions extends CallOptions {
  /** Who the token is for. One audience is safest: each can replay the token to the others. */
  readonly audience: string | readonly string[];
  readonly spiffeId?: string;
  /** Which of several identities; the first when absent. */
  readonly hint?: string;
}

/**
 * Our JWT-SVIDs, cached until half their life, and the JWT bundles that other people's are judged by.
 *
 * @example
 * await using source = await JwtSource.open({ signal: AbortSignal.timeout(10_000) });
 * const svid = await source.fetch({ audience: 'payments' });
 * await fetch(url, { headers: authorizationHeader(svid) });
 */
export class JwtSource implements Disposable {
  readonly #live: Live<JwtBundles>;
  readonly #client: WorkloadApiClient;
  readonly #owned: boolean;
  readonly #cache = new TokenCache();
  readonly #asked = new Map<string, Promise<readonly FetchedJwtSvid[]>>();
  readonly #withdrawal: Disposable;

  private constructor(live: Live<JwtBundles>, client: WorkloadApiClient, owned: boolean) {
    this.#live = live;
    this.#client = client;
    this.#owned = owned;
    this.#withdrawal = live.onChange(() => live.available || this.#cache.clear());
  }

  /** Resolves at the first bundles, however long the agent or the registration takes; bound it with `signal`. */
  static async open(options: JwtSourceOptions = {}): Promise<JwtSource> {
    const owned = options.client === undefined;
    const client = options.client ?? new WorkloadApiClient(options);
    try {
      return new JwtSource(await Live.open((watch) => client.watchJwtBundles(watch), options), client, owned);
    } catch (error) {
      if (owned) client.close();
      throw error;
    }
  }

  /** A token for this audience, of the cache while less than half its life has passed. */
  async fetch({ audience, spiffeId, hint, signal }: JwtFetchOptions): Promise<FetchedJwtSvid> {
    const svids = await unlessAborted(this.#svids(audienceSet(audience), spiffeId), signal);
    return hint === undefined ? (svids[0] as FetchedJwtSvid) : withHint(svids, hint);
  }

  /** Judges a token here, by the newest bundles; throws an IdentityError unless it is valid for `audience`. */
  validate(token: string, audience: string): JwtSvid {
    const bundles = this.#live.value;
    return verifyJwtSvid(token, audience, (trustDomain) => bundles.get(trustDomain), this.#client.clock.now());
  }

  /** Lets the Workload API judge a token: one round trip, and its rules are never older than the server's. */
  validateRemotely(token: string, audience: string, options: CallOptions = {}): Promise<ValidatedJwtSvid> {
    const request: JwtSvidToValidate = { ...options, token, audience };
    return this.#client.validateJwtSvid(request);
  }

  get bundles(): JwtBundles {
    return this.#live.value;
  }

  /** The authorities of a trust domain; undefined when we are not to trust it. */
  bundle(trustDomain: TrustDomain): readonly JwtAuthority[] | undefined {
    return this.bundles.get(trustDomain);
  }

  /** Calls `listener` after every change of the bundles. */
  onUpdate(listener: () => void): Disposable {
    return this.#live.onChange(listener);
  }

  close(): void {
    this.#withdrawal[Symbol.dispose]();
    this.#live.close();
    this.#cache.clear();
    if (this.#owned) this.#client.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  async #svids(audience: readonly string[], spiffeId: string | undefined): Promise<readonly FetchedJwtSvid[]> {
    if (spiffeId !== undefined) SpiffeId.parseWorkload(spiffeId);
    const key = JSON.stringify([spiffeId, ...audience]);
    const now = this.#client.clock.now();
    const cached = this.#cache.get(key, now);
    if (cached !== undefined && now < cached.renewAt) return cached.svids;
    try {
      return await this.#ask(key, audience, spiffeId);
    } catch (error) {
      // What is valid keeps being served while the server is away; what was refused does not.
      if (cached !== undefined && error instanceof IdentityError && error.code === 'unavailable') return cached.svids;
      this.#cache.delete(key);
      throw error;
    }
  }

  /** Callers who want the same token at the same time share one call, which none of them can cancel for the others. */
  #ask(key: string, audience: readonly string[], spiffeId: string | undefined): Promise<readonly FetchedJwtSvid[]> {
    const asked = this.#asked.get(key) ?? this.#fetch(key, audience, spiffeId);
    this.#asked.set(key, asked);
    return asked;
  }

  async #fetch(key: string, audience: readonly string[], spiffeId: string | undefined) {
    try {
      const request = { audience, ...(spiffeId === undefined ? {} : { spiffeId }) };
      const svids = await this.#client.fetchJwtSvids(request);
      this.#cache.put(key, svids, this.#client.clock.now());
      return svids;
    } finally {
      this.#asked.delete(key);
    }
  }
}
