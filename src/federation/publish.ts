/** Puts our bundle where others fetch it, again on every change, and again where that failed. */
import { IdentityError } from '../errors.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { Random } from '../runtime/random.ts';
import type { Watch } from '../runtime/watch.ts';
import { type Bundle, formatBundle, formatPlainJwks } from '../spiffe/bundle.ts';
import { encodePem } from '../x509/pem.ts';

/** SPIFFE format, the X.509 authorities in PEM, or the JWT keys for any library. */
export type BundleFormat = 'spiffe' | 'pem' | 'jwks';

/** One place. */
export interface Publisher {
  /** As it is known to operators, such as `file /srv/bundle.json`. */
  readonly name: string;
  readonly format: BundleFormat;
  /** Replaces what is there, whole. */
  publish(text: Buffer, contentType: string, signal: AbortSignal): Promise<void>;
}

export interface PublicationParts {
  readonly publisher: Publisher;
  readonly bundle: Watch<Bundle>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly counted: (publisher: string, outcome: 'ok' | 'failed') => void;
}

const shortestPauseMs = 1_000;
const longestPauseMs = 300_000;

/** Keeps one place at the newest bundle: what was overtaken while it waited is never published. */
export class Publication {
  readonly #parts: PublicationParts;
  readonly #ended = new AbortController();
  readonly #subscription: Disposable;
  #timer: Disposable | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #failures = 0;
  #problem: string | undefined;

  constructor(parts: PublicationParts) {
    this.#parts = parts;
    this.#subscription = parts.bundle.onChange(() => this.#soon());
    this.#soon();
  }

  get name(): string {
    return this.#parts.publisher.name;
  }

  /** Why the newest bundle is not there. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Now, once more. */
  publish(): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    const turn = this.#turn.then(() => this.#try());
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  stop(): void {
    this.#subscription[Symbol.dispose]();
    this.#timer?.[Symbol.dispose]();
    this.#ended.abort(new IdentityError('cancelled', 'mayfly is stopping'));
  }

  #soon(): void {
    void this.publish().catch(() => undefined);
  }

  async #try(): Promise<void> {
    const { publisher, bundle, log, counted } = this.#parts;
    this.#ended.signal.throwIfAborted();
    const { sequence } = bundle.value;
    try {
      const { text, contentType } = written(bundle.value, publisher.format);
      await publisher.publish(text, contentType, this.#ended.signal);
      [this.#failures, this.#problem] = [0, undefined];
      counted(publisher.name, 'ok');
      log.info({ publisher: publisher.name, sequence: sequence?.toString() }, 'the bundle was published');
    } catch (error) {
      this.#failed(error);
      throw error;
    }
  }

  #failed(error: unknown): void {
    if (this.#ended.signal.aborted) return;
    const { publisher, clock, random, log, counted } = this.#parts;
    const why = error instanceof IdentityError ? error.message : 'internal error, see the log';
    this.#failures += 1;
    this.#problem = `the bundle could not be published to ${publisher.name}: ${why}`;
    counted(publisher.name, 'failed');
    log.error({ publisher: publisher.name, failures: this.#failures, err: error }, this.#problem);
    const pause = Math.min(longestPauseMs, shortestPauseMs * 2 ** (this.#failures - 1));
    this.#timer = clock.after(pause * (1 - random.fraction() / 2), () => this.#soon());
  }
}

function written(bundle: Bundle, format: BundleFormat): { readonly text: Buffer; readonly contentType: string } {
  if (format === 'pem') {
    const text = bundle.x509Authorities.map((certificate) => encodePem('CERTIFICATE', certificate)).join('');
    return { text: Buffer.from(text), contentType: 'application/x-pem-file' };
  }
  const text = format === 'jwks' ? formatPlainJwks(bundle.jwtAuthorities) : formatBundle(bundle);
  return { text: Buffer.from(text), contentType: 'application/json' };
}
