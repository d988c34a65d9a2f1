/**
 * The quiet neighbour: a caller with an identity that makes one call at a time on a connection it holds, and now and
 * then a new connection, and measures how long each answer takes. One process of its own.
 */
import http2 from 'node:http2';
import net from 'node:net';
import os from 'node:os';
import { frame } from '../integration/raw-http2.ts';
import { encodeJwtSvidRequest } from '../integration/wire.ts';

export interface NeighbourOrder {
  readonly socket: string;
  readonly uid: number;
  /** As in nice(1). */
  readonly niceness: number;
}
/** What was measured since the last time somebody asked. */
export interface Measured {
  /** Milliseconds of each call on the held connection. */
  readonly calls: readonly number[];
  /** Milliseconds from connect to the first X.509-SVID. */
  readonly connects: readonly number[];
  readonly failures: readonly string[];
}

const callEveryMs = 4;
const connectEveryMs = 50;
const patienceMs = 10_000;
const empty = frame(Buffer.alloc(0));
const audience = frame(encodeJwtSvidRequest(['reports']));

let measured: { calls: number[]; connects: number[]; failures: string[] } = { calls: [], connects: [], failures: [] };

process.on('message', (order: NeighbourOrder | 'report') => {
  if (order !== 'report') return live(order);
  process.send?.(measured);
  measured = { calls: [], connects: [], failures: [] };
});
process.on('disconnect', () => process.exit());
process.send?.('ready');

function live({ socket, uid, niceness }: NeighbourOrder): void {
  os.setPriority(niceness);
  process.setgroups?.([]);
  process.setgid?.(uid);
  process.setuid?.(uid);
  let session = connect(socket);
  void forever(callEveryMs, async () => {
    if (session.destroyed) session = connect(socket);
    await timed('calls', () => call(session, 'FetchJWTSVID', audience));
  });
  void forever(connectEveryMs, () =>
    timed('connects', async () => {
      const fresh = connect(socket);
      await call(fresh, 'FetchX509SVID', empty).finally(() => fresh.destroy());
    }),
  );
}

async function forever(everyMs: number, work: () => Promise<void>): Promise<never> {
  for (;;) {
    await work();
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

async function timed(kind: 'calls' | 'connects', work: () => Promise<void>): Promise<void> {
  const begun = performance.now();
  try {
    await work();
    measured[kind].push(performance.now() - begun);
  } catch (error) {
    measured.failures.push(`${kind}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function connect(path: string): http2.ClientHttp2Session {
  const session = http2.connect('http://localhost', { createConnection: () => net.connect(path) });
  session.on('error', () => undefined);
  return session;
}

/** Resolves with the first message; rejects with whatever came instead. */
function call(session: http2.ClientHttp2Session, method: string, body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': `/SpiffeWorkloadAPI/${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
      'workload.spiffe.io': 'true',
    });
    const timer = setTimeout(() => fail(`no answer in ${patienceMs} ms`), patienceMs);
    const fail = (why: string): void => {
      clearTimeout(timer);
      stream.destroy();
      reject(new Error(why));
    };
    let status = 'no status';
    stream.on('response', (headers) => {
      status = `grpc-status ${headers['grpc-status'] ?? 'to come'}`;
    });
    stream.once('data', () => {
      clearTimeout(timer);
      resolve();
    });
    stream.on('error', (error) => fail(error.message));
    stream.on('close', () => fail(status));
    stream.end(body);
  });
}
