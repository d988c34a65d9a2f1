/** An answer that is larger than what the kernel takes at once: it arrives whole, and so does what comes after it. */
import http2 from 'node:http2';
import net from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Mayfly, startMayfly } from './fixture.ts';
import { frame } from './raw-http2.ts';
import { decodeX509SvidResponse } from './wire.ts';

const identities = 1_000;
const window = 8 * 1024 * 1024;
let mayfly: Mayfly;

beforeAll(async () => {
  mayfly = await startMayfly();
  const selectors = [`unix:uid:${process.geteuid?.()}`];
  const drafts = Array.from({ length: identities }, (_, i) => ({ spiffeId: `spiffe://example.org/${i}`, selectors }));
  await mayfly.operator.createAll(drafts);
});
afterAll(() => mayfly?.[Symbol.asyncDispose]());

const headersOf = (method: string) => ({
  ':method': 'POST',
  ':path': `/SpiffeWorkloadAPI/${method}`,
  'content-type': 'application/grpc',
  te: 'trailers',
  'workload.spiffe.io': 'true',
});

const statusOf = (session: http2.ClientHttp2Session): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const stream = session.request(headersOf('FetchJWTSVID'));
    stream.on('error', reject).on('response', (headers) => resolve(headers['grpc-status']));
    stream.end(frame(Buffer.alloc(0)));
  });

/** A caller whose window is larger than any message, as that of gRPC for Go becomes. */
function connect(): http2.ClientHttp2Session {
  const session = http2.connect('http://localhost', {
    createConnection: () => net.connect(mayfly.socket),
    settings: { initialWindowSize: window },
  });
  session.once('connect', () => session.setLocalWindowSize(window));
  return session;
}

function firstMessage(session: http2.ClientHttp2Session): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const stream = session.request(headersOf('FetchX509SVID'));
    let bytes = Buffer.alloc(0);
    stream.on('error', reject);
    stream.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length < 5 || bytes.length < 5 + bytes.readUInt32BE(1)) return;
      stream.removeAllListeners('data').close(http2.constants.NGHTTP2_CANCEL);
      resolve(bytes.subarray(5));
    });
    stream.end(frame(Buffer.alloc(0)));
  });
}

describe('an answer of a mebibyte', () => {
  it('WA-11 arrives whole, and the next on the same connection too', async () => {
    const session = connect();
    for (let round = 0; round < 5; round++) {
      expect(decodeX509SvidResponse(await firstMessage(session)).svids).toHaveLength(identities);
    }
    session.destroy();
  });

  it('arrives at a caller who takes it in pieces, with other calls meanwhile', async () => {
    const session = connect();
    const large = Array.from({ length: 5 }, () => firstMessage(session));
    // No audience: refused, each in its turn, while the large ones are on their way.
    for (let call = 0; call < 500; call++) expect(await statusOf(session)).toBe('3');
    for (const message of await Promise.all(large)) {
      expect(decodeX509SvidResponse(message).svids).toHaveLength(identities);
    }
    session.destroy();
  });
});
