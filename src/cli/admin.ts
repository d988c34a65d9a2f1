import {
  type CallOptions,
  type ClientReadableStream,
  type ClientUnaryCall,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { codeOfGrpcStatus, IdentityError } from '../errors.ts';
import { AdminClient, type CreateEntriesProgress, type CreateEntriesRequest } from '../gen/mayfly/admin/v1/admin.ts';
import { systemClock } from '../runtime/clock.ts';
import { CommandError, RemoteFault } from './failure.ts';
import { socketTrouble } from './socket-trouble.ts';
import { type AdminOptions, adminSocketPath } from './sockets.ts';

type Unary<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall;
type Streaming<Request, Item> = (request: Request, options?: Partial<CallOptions>) => ClientReadableStream<Item>;

/** A question that walks the whole ledger, or a wait for others, takes what it takes; the rest answers soon or never. */
const soonMs = 30_000;
/** One answer holds every entry of a bulk load. */
const largestAnswer = 1024 ** 3;
const expected = { what: 'admin socket', naming: '--admin-socket or MAYFLY_ADMIN_SOCKET' };
const noDeadline = {};

/** A connection to the admin API of a running issuer. */
export class Admin implements Disposable {
  readonly #path: string;
  readonly client: AdminClient;

  constructor(options: AdminOptions) {
    this.#path = adminSocketPath(options);
    this.client = new AdminClient(`unix:${this.#path}`, credentials.createInsecure(), {
      'grpc.default_authority': 'localhost',
      'grpc.max_receive_message_length': largestAnswer,
      'grpc.enable_retries': 0,
      'grpc.service_config_disable_resolution': 1,
    });
  }

  /** One question, one answer. */
  async ask<Request, Response>(method: Unary<Request, Response>, request: Request, patient = false): Promise<Response> {
    const options = patient ? noDeadline : { deadline: systemClock.now() + soonMs };
    try {
      return await new Promise<Response>((resolve, reject) => {
        method.call(this.client, request, new Metadata(), options, (error, response) =>
          error === null ? resolve(response) : reject(error),
        );
      });
    } catch (error) {
      throw await this.#explained(error);
    }
  }

  /** One question, every item of the answer. */
  async collect<Request, Item>(method: Streaming<Request, Item>, request: Request): Promise<Item[]> {
    const items: Item[] = [];
    try {
      for await (const item of method.call(this.client, request)) items.push(item as Item);
      return items;
    } catch (error) {
      throw await this.#explained(error);
    }
  }

  /** One question whose answers come as things happen, for as long as that takes. */
  async *follow<Request, Item>(method: Streaming<Request, Item>, request: Request): AsyncGenerator<Item, void> {
    const call = method.call(this.client, request);
    try {
      for await (const item of call) yield item as Item;
    } catch (error) {
      throw await this.#explained(error);
    } finally {
      call.cancel();
    }
  }

  /** Sends `requests` as fast as they are taken and gives every answer, until the server ends the call. */
  async *createEntries(requests: Iterable<CreateEntriesRequest>): AsyncGenerator<CreateEntriesProgress, void> {
    const call = this.client.createEntries();
    const sending = (async () => {
      for (const request of requests) {
        if (call.destroyed) return;
        if (!call.write(request)) await drained(call);
      }
      call.end();
    })();
    try {
      for await (const progress of call) yield progress as CreateEntriesProgress;
      await sending;
    } catch (error) {
      throw await this.#explained(error);
    } finally {
      call.cancel();
    }
  }

  [Symbol.dispose](): void {
    this.client.close();
  }

  async #explained(error: unknown): Promise<unknown> {
    if (!isServiceError(error)) return error;
    if (error.code === status.UNAVAILABLE) {
      return (await socketTrouble(this.#path, expected)) ?? new IdentityError('unavailable', error.details);
    }
    if (error.code === status.UNIMPLEMENTED) return notThisServer(this.#path, error);
    const code = codeOfGrpcStatus(error.code);
    return code === undefined
      ? new RemoteFault(error.details)
      : new IdentityError(code, error.details, { cause: error });
  }
}

const isServiceError = (error: unknown): error is ServiceError =>
  error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error;

function notThisServer(path: string, error: ServiceError): CommandError {
  const message = `what listens at ${path} does not offer this: ${error.details}`;
  return new CommandError(
    'unimplemented',
    message,
    `Check that it is the admin socket of this version of mayfly; name another with ${expected.naming}.`,
    { cause: error },
  );
}

const drained = (call: NodeJS.EventEmitter): Promise<void> =>
  new Promise((resolve) => {
    const go = (): void => {
      for (const event of ['drain', 'close', 'error', 'end', 'status']) call.off(event, go);
      resolve();
    };
    for (const event of ['drain', 'close', 'error', 'end', 'status']) call.on(event, go);
  });
