import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import {
  type BundlesResponse,
  decodeJwtBundlesResponse,
  decodeJwtSvidResponse,
  decodeX509BundlesResponse,
  decodeX509SvidResponse,
  encodeJwtSvidRequest,
  encodeValidateRequest,
  type JwtSvidMessage,
  type X509SvidResponse,
} from './wire.ts';
import type { Order, Report } from './workload-process.ts';

export const grpc = {
  ok: 0,
  cancelled: 1,
  invalidArgument: 3,
  notFound: 5,
  permissionDenied: 7,
  unimplemented: 12,
  unavailable: 14,
};

export type MethodName =
  | 'FetchX509SVID'
  | 'FetchX509Bundles'
  | 'FetchJWTSVID'
  | 'FetchJWTBundles'
  | 'ValidateJWTSVID'
  | 'FetchWITSVID'
  | 'FetchWITBundles';

const unary: readonly string[] = ['FetchJWTSVID', 'ValidateJWTSVID'];

/** A request that each method accepts, so far as its shape goes. */
export const plausibleRequests: Readonly<Record<MethodName, Buffer>> = {
  FetchX509SVID: Buffer.alloc(0),
  FetchX509Bundles: Buffer.alloc(0),
  FetchJWTSVID: encodeJwtSvidRequest(['reports']),
  FetchJWTBundles: Buffer.alloc(0),
  ValidateJWTSVID: encodeValidateRequest('reports', 'a.b.c'),
  FetchWITSVID: Buffer.alloc(0),
  FetchWITBundles: Buffer.alloc(0),
};
export const allMethods = Object.keys(plausibleRequests) as MethodName[];
export const implementedMethods = allMethods.filter((name) => !name.startsWith('FetchWIT'));

export interface CallOptions {
  readonly request?: Buffer;
  /** Security header and any other metadata; the right header when absent. */
  readonly metadata?: readonly (readonly [string, string])[];
}

export interface Answer {
  readonly code: number;
  readonly text: string;
  readonly messages: readonly Buffer[];
}

export const rightHeader: readonly [string, string] = ['workload.spiffe.io', 'true'];

/** Starts a workload: a separate process under `uid`, connected to nothing until its first call. */
export async function startWorkload(endpoint: string, uid: number, gid = uid): Promise<Workload> {
  const script = fileURLToPath(new URL('workload-process.ts', import.meta.url));
  const words = [endpoint, `${uid}`, `${gid}`];
  const child = fork(script, words, { serialization: 'advanced', execArgv: [], stdio: 'inherit', cwd: '/' });
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve());
    const ended = `before it was uid ${uid}; only root may become others`;
    child.once('exit', (code) => reject(new Error(`the workload ended with ${code} ${ended}`)));
    child.once('error', reject);
  });
  return new Workload(child, uid);
}

export class Workload implements AsyncDisposable {
  readonly uid: number;
  readonly #child: ChildProcess;
  readonly #streams = new Map<number, Stream>();
  #calls = 0;

  constructor(child: ChildProcess, uid: number) {
    this.uid = uid;
    this.#child = child;
    child.on('message', (report: Report) => this.#streams.get(report.id)?.hear(report));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Opens a call and hands over what comes, as it comes. */
  open(method: MethodName | `/${string}`, options: CallOptions = {}): Stream {
    const id = ++this.#calls;
    const stream = new Stream(() => this.#child.send({ id, kind: 'cancel' } satisfies Order));
    this.#streams.set(id, stream);
    const known = method.startsWith('/') ? undefined : plausibleRequests[method as MethodName];
    this.#child.send({
      id,
      kind: unary.includes(method) ? 'unary' : 'stream',
      path: method.startsWith('/') ? method : `/SpiffeWorkloadAPI/${method}`,
      request: options.request ?? known ?? Buffer.alloc(0),
      metadata: options.metadata ?? [rightHeader],
    } satisfies Order);
    return stream;
  }

  /** The status of a call that is refused, or the first message of one that is not. */
  async call(method: MethodName | `/${string}`, options: CallOptions = {}): Promise<Answer> {
    const stream = this.open(method, options);
    const message = await stream.nextOrEnd();
    if (message !== undefined && !unary.includes(method)) {
      stream.cancel();
      return { code: grpc.ok, text: '', messages: [message] };
    }
    const { code, text } = await stream.ended();
    return { code, text, messages: message === undefined ? [] : [message] };
  }

  async x509(): Promise<X509SvidResponse> {
    return decodeX509SvidResponse(granted(await this.call('FetchX509SVID')));
  }

  async x509Bundles(): Promise<BundlesResponse> {
    return decodeX509BundlesResponse(granted(await this.call('FetchX509Bundles')));
  }

  async jwt(audience: readonly string[], spiffeId = ''): Promise<readonly JwtSvidMessage[]> {
    const request = encodeJwtSvidRequest(audience, spiffeId);
    return decodeJwtSvidResponse(granted(await this.call('FetchJWTSVID', { request }))).svids;
  }

  async jwtBundles(): Promise<BundlesResponse> {
    return decodeJwtBundlesResponse(granted(await this.call('FetchJWTBundles')));
  }

  validate(audience: string, token: string): Promise<Answer> {
    return this.call('ValidateJWTSVID', { request: encodeValidateRequest(audience, token) });
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await gone;
  }
}

export function granted(answer: Answer): Buffer {
  const [message] = answer.messages;
  if (message === undefined) throw new Error(`refused with ${answer.code}: ${answer.text}`);
  return message;
}

/** One call as its caller sees it: the messages in order of arrival, then the status. */
export class Stream {
  readonly #cancel: () => void;
  readonly #messages: { readonly message: Buffer; readonly at: number }[] = [];
  #taken = 0;
  #status: { readonly code: number; readonly text: string; readonly at: number } | undefined;
  #wake: (() => void) | undefined;

  constructor(cancel: () => void) {
    this.#cancel = cancel;
  }

  hear(report: Report): void {
    if ('code' in report) this.#status = report;
    else this.#messages.push({ message: Buffer.from(report.message), at: report.at });
    this.#wake?.();
  }

  /** How many messages have come that `next` has not given out. */
  get waiting(): number {
    return this.#messages.length - this.#taken;
  }

  async next(withinMs = 30_000): Promise<Buffer> {
    const message = await this.nextOrEnd(withinMs);
    if (message === undefined) throw new Error(`the stream ended: ${this.#status?.code} ${this.#status?.text}`);
    return message;
  }

  /** The next message; undefined when the status came instead. */
  async nextOrEnd(withinMs = 30_000): Promise<Buffer | undefined> {
    await this.#until(() => this.waiting > 0 || this.#status !== undefined, withinMs, 'no message');
    return this.#messages[this.#taken++]?.message;
  }

  /** The newest message that came, skipping the ones between. */
  newest(): Buffer | undefined {
    this.#taken = this.#messages.length;
    return this.#messages.at(-1)?.message;
  }

  async ended(withinMs = 30_000): Promise<{ readonly code: number; readonly text: string; readonly at: number }> {
    await this.#until(() => this.#status !== undefined, withinMs, 'no status');
    if (this.#status === undefined) throw new Error('no status');
    return this.#status;
  }

  cancel(): void {
    this.#cancel();
  }

  async #until(met: () => boolean, withinMs: number, otherwise: string): Promise<void> {
    const late = performance.now() + withinMs;
    while (!met()) {
      const left = late - performance.now();
      if (left <= 0) throw new Error(`${otherwise} within ${withinMs} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
