/** nghttp2's load generator: questions that are the same every time. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../integration/fixture.ts';
import { frame } from '../integration/raw-http2.ts';
import { encodeJwtSvidRequest } from '../integration/wire.ts';
import { type Load, share } from './rates.ts';

const connections = 4;
const callsEach = 16;
const headers = ['content-type: application/grpc', 'te: trailers', 'workload.spiffe.io: true'];

/** FetchJWTSVID with one audience, 64 in flight. @param bytes whether an answer of this length is the expected one */
export async function h2load(socket: string, seconds: number, expected: (bytes: number) => boolean): Promise<Load> {
  const directory = mkdtempSync(join(tmpdir(), 'mayfly-h2load-'));
  try {
    const [request, log] = [join(directory, 'request'), join(directory, 'log')];
    writeFileSync(request, frame(encodeJwtSvidRequest(['bench-same'])));
    const shape = ['-c', connections, '-m', callsEach, '-D', `${seconds * 1000}ms`, '--warm-up-time', 0].map(String);
    const what = ['-B', `unix:${socket}`, '-d', request, '--log-file', log, ...headers.flatMap((line) => ['-H', line])];
    return await loaded([...shape, ...what, `http://localhost${path}`], { log, seconds, expected });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** GETs of these in turn over HTTP/1.1, each connection with one under way. */
export async function h1load(urls: readonly string[], seconds: number, connections: number): Promise<Load> {
  const directory = mkdtempSync(join(tmpdir(), 'mayfly-h2load-'));
  try {
    const log = join(directory, 'log');
    const shape = ['--h1', '-c', connections, '-D', `${seconds * 1000}ms`, '--warm-up-time', 0].map(String);
    return await loaded([...shape, '--log-file', log, ...urls], { log, seconds, expected: (bytes) => bytes > 100 });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

interface Run {
  readonly log: string;
  readonly seconds: number;
  readonly expected: (bytes: number) => boolean;
}

async function loaded(words: readonly string[], { log, seconds, expected }: Run): Promise<Load> {
  const { status, stdout, stderr } = await run('h2load', words);
  if (status !== 0) throw new Error(`h2load (apt-get install nghttp2-client): ${stderr.trim()}`);
  requireAnswers(stdout, expected);
  const times = readFileSync(log, 'utf8').trimEnd().split('\n').map(milliseconds);
  return { count: times.length, seconds, p50Ms: share(times, 0.5), p99Ms: share(times, 0.99) };
}

const path = '/SpiffeWorkloadAPI/FetchJWTSVID';

/** Start, status, microseconds. */
const milliseconds = (line: string): number => Number(line.split('\t')[2]) / 1000;

/** It knows nothing of gRPC: by the length of the answers one sees what they are. */
function requireAnswers(report: string, expected: (bytes: number) => boolean): void {
  const number = (pattern: RegExp): number => Number(pattern.exec(report)?.[1]);
  const [done, failed, bytes] = [/(\d+) succeeded/, /(\d+) failed/, /\((\d+)\) data/].map(number);
  if (done === undefined || bytes === undefined || failed !== 0 || !expected(bytes / done)) {
    throw new Error(`h2load was not answered as expected:\n${report}`);
  }
}
