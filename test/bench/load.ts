/**
 * The load maker: a process of its own, so that its work is not counted as the server's. It speaks HTTP/2 as bytes,
 * without a gRPC library, and takes its orders from `loader.ts`.
 */
import http2 from 'node:http2';
import net from 'node:net';
import { frame } from '../integration/raw-http2.ts';
import { encodeJwtSvidRequest } from '../integration/wire.ts';
import { nowMs } from './process-stat.ts';

export interface Target {
  readonly socket: string;
  readonly path: string;
}

export type Order =
  /** Calls one after the other on each of `lanes`, over a few connections. `fresh`: a new audience each time. */
  | ({ readonly kind: 'calls'; readonly lanes: number; readonly ms: number; readonly fresh: boolean } & Target)
  /** Connects, waits for the first answer, hangs up; `lanes` at a time. */
  | ({ readonly kind: 'connects'; readonly lanes: number; readonly ms: number } & Target)
  /** Opens this many connections with one stream each, and keeps them. */
  | ({ readonly kind: 'hold'; readonly streams: number } & Target)
  /** Keeps one stream and reports when each message arrives. */
  | ({ readonly kind: 'listen' } & Target);

export interface Rate {
  readonly count: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** How often each gRPC status came. */
  readonly statuses: Readonly<Record<string, number>>;
}
export type Report = { readonly done: Rate } | { readonly held: number } | { readonly messageAt: number };

const connections = 4;
const empty = frame(Buffer.alloc(0));
const sameAudience = frame(encodeJwtSvidRequest(['bench-same']));

process.on('message', (order: Order) => {
  carryOut(order).catch((error: unknown) => {
    process.stderr.write(`load: ${String(error)}\n`);
    process.exit(1);
  });
});

async function carryOut(order: Order): Promise<void> {
  if (order.kind === 'hold') return await hold(order);
  if (order.kind === 'listen') return listen(order);
  const meter = new Meter(order.ms);
  await (order.kind === 'calls' ? calls(order, meter) : race(order, meter));
  report({ done: meter.rate() });
}

async function calls(order: Extract<Order, { kind: 'calls' }>, meter: Meter): Promise<void> {
  const sessions = await Promise.all(Array.from({ length: connections }, () => connect(order.socket)));
  let made = 0;
  const lane = async (_: unknown, index: number): Promise<void> => {
    const session = sessions[index % connections] as http2.ClientHttp2Session;
    while (meter.goesOn) {
      const body = order.fresh ? frame(encodeJwtSvidRequest([`bench-${made++}`])) : sameAudience;
      await meter.time(() => call(session, order.path, body));
    }
  };
  await Promise.all(Array.from({ length: order.lanes }, lane));
  for (const session of sessions) session.destroy();
}

async function race(order: Extract<Order, { kind: 'connects' }>, meter: Meter): Promise<void> {
  const lane = async (): Promise<void> => {
    while (meter.goesOn) {
      await meter.time(async () => {
        const session = await connect(order.socket);
        const status = await call(session, order.path, empty);
        session.destroy();
        return status;
      });
    }
  };
  await Promise.all(Array.from({ length: order.lanes }, lane));
}

async function hold(order: Extract<Order, { kind: 'hold' }>): Promise<void> {
  let held = 0;
  const lane = async (): Promise<void> => {
    while (held < order.streams) {
      held += 1;
      const session = await connect(order.socket);
      await call(session, order.path, empty);
    }
  };
  await Promise.all(Array.from({ length: 16 }, lane));
  report({ held });
}

async function listen(order: Target): Promise<void> {
  const session = await connect(order.socket);
  const stream = session.request(callHeaders(order.path));
  stream.on('data', () => report({ messageAt: nowMs() }));
  stream.on('error', () => undefined);
  stream.end(empty);
}

function connect(path: string): Promise<http2.ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const session = http2.connect('http://localhost', { createConnection: () => net.connect(path) });
    session.once('connect', () => resolve(session));
    session.once('error', reject);
    session.on('error', () => undefined);
  });
}

/** Resolves with the status, or with 'message' when the first one comes on a stream that stays open. */
function call(session: http2.ClientHttp2Session, path: string, body: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const stream = session.request(callHeaders(path));
    let status: unknown;
    const note = (fields: http2.IncomingHttpHeaders): void => {
      status = fields['grpc-status'] ?? status;
    };
    stream.on('response', note);
    stream.on('trailers', note);
    if (path.endsWith('FetchX509SVID')) stream.once('data', () => resolve('message'));
    else stream.on('data', () => undefined);
    stream.on('error', () => undefined);
    stream.on('close', () => resolve(String(status ?? 'none')));
    stream.end(body);
  });
}

export const callHeaders = (path: string): http2.OutgoingHttpHeaders => ({
  ':method': 'POST',
  ':path': path,
  'content-type': 'application/grpc',
  te: 'trailers',
  'workload.spiffe.io': 'true',
});

class Meter {
  readonly #start = performance.now();
  readonly #end: number;
  readonly #times: number[] = [];
  readonly #statuses: Record<string, number> = {};

  constructor(ms: number) {
    this.#end = this.#start + ms;
  }

  get goesOn(): boolean {
    return performance.now() < this.#end;
  }

  async time(work: () => Promise<string>): Promise<void> {
    const begun = performance.now();
    const status = await work();
    this.#times.push(performance.now() - begun);
    this.#statuses[status] = (this.#statuses[status] ?? 0) + 1;
  }

  rate(): Rate {
    const seconds = (performance.now() - this.#start) / 1000;
    const times = this.#times.sort((a, b) => a - b);
    const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
    return { count: times.length, seconds, p50Ms: at(0.5), p99Ms: at(0.99), statuses: this.#statuses };
  }
}

function report(what: Report): void {
  process.send?.(what);
}
