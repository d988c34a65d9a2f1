import { type ClientUnaryCall, Metadata, type ServiceError } from '@grpc/grpc-js';
import { IdentityError } from '../errors.ts';
import type { ExchangesClient } from '../gen/mayfly/workload/v1/exchanges.ts';
import { unary } from './call.ts';

/** What is about to be asked of a relying party, and with which SVID of ours. */
export interface ExchangeIntent {
  /** The `jti` of a JWT-SVID, or the serial number of an X.509-SVID in hexadecimal: one that this process was given. */
  readonly svid: { readonly jti: string } | { readonly serial: string };
  /** What kind of relying party, in lower case with hyphens. */
  readonly target: string;
  readonly endpoint: string;
  readonly role?: string;
}

/** What was obtained: its names and its end, never the secret. */
export interface ExchangeGain {
  readonly principal?: string;
  readonly credential?: string;
  readonly expiresAt?: number;
}

type Done<Answer> = (error: ServiceError | null, answer: Answer) => void;

/**
 * The ledger of mayfly, as far as a workload writes to it: what it obtained elsewhere with an SVID. Other Workload APIs do
 * not have this, and say `unimplemented`.
 */
export class Exchanges {
  readonly #stub: ExchangesClient;
  readonly #until: (signal: AbortSignal | undefined) => AbortSignal;

  /** @param until the signal that a call heeds, with the closing of the client in it */
  constructor(stub: ExchangesClient, until: (signal: AbortSignal | undefined) => AbortSignal) {
    this.#stub = stub;
    this.#until = until;
  }

  /**
   * Runs one exchange: on record before `exchange` begins, and what it obtained on record before anybody has it. Its
   * number goes into the name that the session has at the relying party, so that a log there leads back to us.
   */
  async record<T extends { readonly gain: ExchangeGain }>(
    intent: ExchangeIntent,
    exchange: (id: string) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const id = await this.#begin(intent, signal);
    const result = await exchange(id).catch(async (error: unknown) => {
      // What went wrong there is what the caller must hear of, whatever goes wrong with writing it down.
      await this.#end({ exchangeId: id, outcome: { $case: 'failure', value: wordOf(error) } }, undefined).catch(
        () => {},
      );
      throw error;
    });
    const { principal = '', credential = '', expiresAt } = result.gain;
    const obtained = { principal, credential, expiresAt: expiresAt === undefined ? undefined : new Date(expiresAt) };
    await this.#end({ exchangeId: id, outcome: { $case: 'obtained', value: obtained } }, signal);
    return result;
  }

  async #begin(
    { svid, target, endpoint, role = '' }: ExchangeIntent,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const name =
      'jti' in svid ? { $case: 'jti' as const, value: svid.jti } : { $case: 'serial' as const, value: svid.serial };
    const { exchangeId } = await this.#call<{ exchangeId: string }>(
      (done) => this.#stub.beginExchange({ svid: name, target, endpoint, role }, header(), done),
      signal,
    );
    return exchangeId;
  }

  async #end(request: Parameters<ExchangesClient['endExchange']>[0], signal: AbortSignal | undefined): Promise<void> {
    await this.#call<unknown>((done) => this.#stub.endExchange(request, header(), done), signal);
  }

  async #call<T>(start: (done: Done<T>) => ClientUnaryCall, signal: AbortSignal | undefined): Promise<T> {
    try {
      return await unary<T>(start, this.#until(signal));
    } catch (error) {
      if (!(error instanceof IdentityError) || error.code !== 'unimplemented') throw error;
      const message = 'The Workload API keeps no record of exchanges: it is not of mayfly, or of an older one.';
      throw new IdentityError('unimplemented', message, { cause: error });
    }
  }
}

/** One word, from what is thrown: the relying party's own error code where it knows it. */
function wordOf(error: unknown): string {
  const { fault, reason } = error as { readonly fault?: unknown; readonly reason?: unknown };
  const word = [fault, reason].find((text) => typeof text === 'string' && /^[\w.-]{1,64}$/.test(text));
  return typeof word === 'string' ? word : 'failed';
}

function header(): Metadata {
  const metadata = new Metadata();
  metadata.set('workload.spiffe.io', 'true');
  return metadata;
}
