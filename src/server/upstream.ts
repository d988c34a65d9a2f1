/** The issuer above this one, over its admin socket: asked for certificates, told of keys, and listened to. */
import { type CallOptions, type ClientUnaryCall, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import {
  certificateRequest,
  type IntermediateCertificate,
  type KeyBelow,
  type NestedUpstream,
  type Trust,
  type Vouched,
} from '../authority/authority.ts';
import { codeOfGrpcStatus, IdentityError } from '../errors.ts';
import { DownstreamClient } from '../gen/mayfly/downstream/v1/downstream.ts';
import { type Clock, elapsed, sleep } from '../runtime/clock.ts';
import { failpoint } from '../runtime/failpoint.ts';
import type { Log } from '../runtime/log.ts';
import type { Signer } from '../runtime/signer.ts';
import { requireClosed } from '../runtime/socket-directory.ts';
import { Watch } from '../runtime/watch.ts';
import type { TrustDomain } from '../spiffe/id.ts';

export interface UpstreamParts {
  readonly socket: string;
  readonly trustDomain: TrustDomain;
  readonly timeoutSeconds: number;
  readonly clock: Clock;
  readonly log: Log;
}

type Unary<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall;

const pauses = { first: 250, longest: 10_000 };
/** A watch that lasted this long had come about. */
const settledMs = 5_000;

export class Upstream implements NestedUpstream {
  readonly name: string;
  readonly trust = new Watch<Trust | undefined>(undefined);
  readonly #parts: UpstreamParts;
  readonly #closing = new AbortController();
  readonly #listening: Promise<void>;

  constructor(parts: UpstreamParts) {
    this.#parts = parts;
    this.name = `the issuer above, at ${parts.socket},`;
    this.#listening = this.#listen();
  }

  async certify(request: IntermediateCertificate, signer: Signer): Promise<Vouched> {
    const { id: authority, trustDomain, notAfter, levelsBelow } = request;
    const csr = await certificateRequest(request, signer);
    failpoint('upstream.request-made');
    const asked = { ...{ trustDomain, authority, levelsBelow }, request: csr, notAfter: new Date(notAfter) };
    const { certificate, chain, roots } = await this.#ask((client) => client.newX509Authority, asked);
    failpoint('upstream.vouched');
    return { certificate, upstream: { chain, roots } };
  }

  async publish({ id, publicKey, expiresAt }: KeyBelow): Promise<void> {
    const { trustDomain } = this.#parts;
    const asked = { trustDomain, key: { id, publicKey }, expiresAt: new Date(expiresAt) };
    await this.#ask((client) => client.publishJwtKey, asked);
    failpoint('upstream.key-published');
  }

  async withdraw(id: string): Promise<void> {
    await this.#ask((client) => client.withdrawJwtKey, { id });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#listening;
  }

  async #ask<Request, Response>(
    method: (client: DownstreamClient) => Unary<Request, Response>,
    request: Request,
  ): Promise<Response> {
    const client = this.#connect();
    const options = { deadline: this.#parts.clock.now() + this.#parts.timeoutSeconds * 1000 };
    try {
      return await new Promise<Response>((resolve, reject) => {
        method(client).call(client, request, new Metadata(), options, (error, response) =>
          error === null ? resolve(response) : reject(error),
        );
      });
    } catch (error) {
      throw this.#explained(error as ServiceError);
    } finally {
      client.close();
    }
  }

  /** As long as we run. Said when it begins to fail, and when it is well again. */
  async #listen(): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#closing;
    let [pause, wasWell] = [pauses.first, true];
    while (!signal.aborted) {
      const start = elapsed();
      const fault = await this.#hear(() => {
        if (!wasWell) log.info({ upstream: this.name }, 'the issuer above is heard again');
        wasWell = true;
      });
      if (signal.aborted) return;
      if (wasWell) log.warn({ err: fault }, 'the issuer above is not heard: what changes there is not known here');
      wasWell = false;
      pause = elapsed() - start > settledMs ? pauses.first : Math.min(pause * 2, pauses.longest);
      await sleep(clock, pause, signal).catch(() => undefined);
    }
  }

  /** @returns why it ended */
  async #hear(heard: () => void): Promise<unknown> {
    try {
      const client = this.#connect();
      const call = client.watchTrust({ trustDomain: this.#parts.trustDomain });
      const cancel = (): void => call.cancel();
      call.on('error', () => undefined);
      this.#closing.signal.addEventListener('abort', cancel, { once: true });
      try {
        for await (const trust of call) {
          heard();
          this.trust.set(trust as Trust);
        }
        return new IdentityError('unavailable', `${this.name} has ended`);
      } finally {
        this.#closing.signal.removeEventListener('abort', cancel);
        call.cancel();
        client.close();
      }
    } catch (error) {
      return this.#explained(error as ServiceError);
    }
  }

  /** Its directory is looked at each time: whoever may write there could be anybody's root. */
  #connect(): DownstreamClient {
    requireClosed(this.#parts.socket);
    return new DownstreamClient(`unix:${this.#parts.socket}`, credentials.createInsecure(), {
      'grpc.default_authority': 'localhost',
      'grpc.enable_retries': 0,
      'grpc.service_config_disable_resolution': 1,
      'grpc.max_receive_message_length': largestAnswer,
      'grpc.use_local_subchannel_pool': 1,
    });
  }

  #explained(error: Error | ServiceError): IdentityError {
    if (error instanceof IdentityError) return error;
    const { code, details } = error as Partial<ServiceError>;
    const known = code === undefined ? undefined : codeOfGrpcStatus(code);
    const message = known === undefined ? 'cannot be asked' : saying(details ?? '');
    // What is wrong with our request for it is no fault of whoever called us.
    const own = known === undefined || known === 'invalid-argument' ? 'unavailable' : known;
    return new IdentityError(own, `${this.name} ${message}`, { cause: error });
  }
}

/** Where nobody listens the library tells it at length. */
function saying(details: string): string {
  const [, cause] = /^No connection established.*?\b(E[A-Z]{4,})\b/.exec(details) ?? [];
  return cause === undefined ? `says: ${details.trim()}` : `cannot be reached (${cause})`;
}

const largestAnswer = 16 * 1024 * 1024;
