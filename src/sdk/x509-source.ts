import { IdentityError } from '../errors.ts';
import type { Clock } from '../runtime/clock.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/id.ts';
import { verifyX509Svid } from '../spiffe/x509-svid.ts';
import { withHint } from './answer.ts';
import { WorkloadApiClient } from './client.ts';
import { Live } from './live.ts';
import type { FetchedX509Svid, X509Bundles, X509Context } from './x509-context.ts';

export interface X509SourceOptions {
  /** A client of your own, which stays open; else one is made of `address` and closed with the source. */
  readonly client?: WorkloadApiClient;
  /** `unix:///path/to/socket` or `tcp://127.0.0.1:port`; `SPIFFE_ENDPOINT_SOCKET` when absent. */
  readonly address?: string;
  /** How long to wait for the first SVID, such as `AbortSignal.timeout(10_000)`. The open source does not heed it. */
  readonly signal?: AbortSignal;
  /** Which of several identities is `svid`, such as `(svids) => svids.find(…)`; the first when absent. */
  readonly pick?: Pick;
  /** Hears of what went wrong and is tried again, and of answers that could not be used. */
  readonly onError?: (error: IdentityError) => void;
}

type Pick = (svids: readonly FetchedX509Svid[]) => FetchedX509Svid | undefined;

/**
 * Our X.509-SVIDs and the X.509 bundles we trust, always the newest. Reading costs nothing. When the Workload API says
 * that nothing is owed to us any more, every reading throws `permission-denied` until it says otherwise.
 *
 * @example
 * await using source = await X509Source.open({ signal: AbortSignal.timeout(10_000) });
 * console.log(source.svid.id);
 */
export class X509Source implements Disposable {
  readonly clock: Clock;
  readonly #live: Live<X509Context>;
  readonly #pick: Pick;
  readonly #close: () => void;

  private constructor(live: Live<X509Context>, client: WorkloadApiClient, options: X509SourceOptions) {
    this.#live = live;
    this.clock = client.clock;
    this.#pick = options.pick ?? first;
    this.#close = () => (options.client === undefined ? client.close() : undefined);
  }

  /** Resolves at the first SVID, however long the agent or the registration takes; bound it with `signal`. */
  static async open(options: X509SourceOptions = {}): Promise<X509Source> {
    const client = options.client ?? new WorkloadApiClient(options);
    try {
      return new X509Source(await Live.open((watch) => client.watchX509Context(watch), options), client, options);
    } catch (error) {
      if (options.client === undefined) client.close();
      throw error;
    }
  }

  /** False while the identity is withdrawn, and once closed. */
  get available(): boolean {
    return this.#live.available;
  }

  /** The identity to present. */
  get svid(): FetchedX509Svid {
    const picked = this.#pick(this.context.svids);
    if (picked === undefined) throw new IdentityError('not-found', 'None of our SVIDs is the one to pick.');
    return picked;
  }

  get svids(): readonly FetchedX509Svid[] {
    return this.context.svids;
  }

  /** The SVIDs and bundles of one moment, together. */
  get context(): X509Context {
    return this.#live.value;
  }

  get bundles(): X509Bundles {
    return this.context.bundles;
  }

  /** The identity that an operator marked with this hint; throws `not-found` rather than give another. */
  svidWithHint(hint: string): FetchedX509Svid {
    return withHint(this.context.svids, hint);
  }

  /** The authorities (DER) of a trust domain; undefined when we are not to trust it. */
  bundle(trustDomain: TrustDomain): readonly Buffer[] | undefined {
    return this.context.bundles.get(trustDomain);
  }

  /** Verifies a certificate chain (DER, leaf first) by the bundle of the trust domain it names, and by the lists of what its
   * authorities have taken back; gives its identity. */
  verify(chain: readonly Buffer[], at: number = this.clock.now()): SpiffeId {
    const { bundles, crls } = this.context;
    return verifyX509Svid(chain, (trustDomain) => bundles.get(trustDomain), at, crls);
  }

  /** Calls `listener` after every change, also when the identity was withdrawn or came back. */
  onUpdate(listener: () => void): Disposable {
    return this.#live.onChange(listener);
  }

  /**
   * The context now and after every change, until closed or aborted.
   *
   * @example for await (const { svids } of source.updates()) reload(svids[0]);
   */
  updates(signal: AbortSignal = never): AsyncIterable<X509Context> {
    return this.#live.values(signal);
  }

  close(): void {
    this.#live.close();
    this.#close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

const first: Pick = ([svid]) => svid;

const never = new AbortController().signal;
