/** What a call costs the kernel, when its process is known: the kernel's own list of what was asked of it (strace). */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Mayfly, startMayfly } from './fixture.ts';
import { frame, security } from './raw-http2.ts';
import { encodeJwtSvidRequest } from './wire.ts';

const calls = 200;
const headers = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers', ...security };

let mayfly: Mayfly;
let session: http2.ClientHttp2Session;

beforeAll(async () => {
  requireStrace();
  mayfly = await startMayfly();
  const selectors = [`unix:uid:${process.geteuid?.()}`];
  await mayfly.operator.create({ spiffeId: 'spiffe://example.org/again', selectors, audiences: ['aws'] });
  session = http2.connect('http://localhost', { createConnection: () => net.connect(mayfly.socket) });
}, 60_000);

afterAll(async () => {
  session?.destroy();
  await mayfly?.[Symbol.asyncDispose]();
});

function requireStrace(): void {
  try {
    execFileSync('strace', ['-V'], { stdio: 'ignore' });
  } catch (cause) {
    throw new Error('strace judges this test and is missing: apt-get install strace', { cause });
  }
}

/** One call on the connection that is open; resolves with its first message, and hangs up. */
async function call(method: string, body: Buffer): Promise<Buffer> {
  const stream = session.request({ ...headers, ':path': `/SpiffeWorkloadAPI/${method}` });
  stream.on('error', () => undefined);
  stream.end(body);
  const [message] = (await once(stream, 'data')) as [Buffer];
  stream.close(http2.constants.NGHTTP2_CANCEL);
  if (!stream.closed || !stream.destroyed) await once(stream, 'close');
  return message;
}

/** The system calls with a name of a file in them that the issuer makes meanwhile, in all of its threads. */
async function named(work: () => Promise<unknown>): Promise<string[]> {
  const trace = join(mayfly.directory, 'trace');
  const tracer = spawn('strace', [
    '-f',
    '-qq',
    '-e',
    'trace=%file',
    '-e',
    'signal=none',
    '-o',
    trace,
    '-p',
    `${mayfly.pid}`,
  ]);
  const tracing = (): boolean => /^TracerPid:\t[1-9]/m.test(readFileSync(`/proc/${mayfly.pid}/status`, 'latin1'));
  while (!tracing()) await new Promise((resolve) => setTimeout(resolve, 20));
  await work();
  tracer.kill('SIGINT');
  await once(tracer, 'exit');
  return readFileSync(trace, 'utf8')
    .split('\n')
    .filter((line) => line.includes('"'));
}

/** Whatever happens there is its own housekeeping: it looks whether its sockets and its data are still where they were. */
const inOwnDirectories = (line: string): boolean => {
  const [, path = ''] = /"([^"]*)"/.exec(line) ?? [];
  return path.startsWith(mayfly.directory) || mayfly.directory.startsWith(path === '/' ? path : `${path}/`);
};

const programOfCaller = /newfstatat\(\d+, "exe", /;

describe.each([
  ['FetchJWTSVID', frame(encodeJwtSvidRequest(['aws']))],
  ['FetchX509SVID', frame(Buffer.alloc(0))],
])('%s again, by a process that is known', (method, body) => {
  it('opens nothing, walks no path and looks up no user and no group', async () => {
    for (let warm = 0; warm < 3; warm++) await call(method, body);
    const lines = await named(async () => {
      for (let made = 0; made < calls; made++) await call(method, body);
    });
    const looks = lines.filter((line) => programOfCaller.test(line));
    expect(lines.filter((line) => !programOfCaller.test(line) && !inOwnDirectories(line))).toEqual([]);
    // The one question that has a name in it, below a directory that has been open since the process was learned.
    expect(looks.length).toBeGreaterThanOrEqual(calls);
    expect(looks.length).toBeLessThanOrEqual(3 * calls);
  }, 120_000);
});
