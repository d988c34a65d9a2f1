/**
 * A workload that never gives up: it holds every stream, asks for tokens, comes back whenever the issuer does, and writes
 * each thing it is given to its standard output, a line each, in the moment in which it has it.
 *
 *   node workload.ts SOCKET UID
 */
import { writeSync } from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { become } from '../fakes/become.ts';
import {
  decodeJwtBundlesResponse,
  decodeJwtSvidResponse,
  decodeX509BundlesResponse,
  decodeX509SvidResponse,
  encodeJwtSvidRequest,
} from '../integration/wire.ts';
import type { Capture } from './captures.ts';

const [socket = '', uidText = ''] = process.argv.slice(2);
const uid = Number(uidText);
const { pid } = process;
become(uid);

const audiences = [['db'], ['mail'], ['db', 'mail']];
const betweenTokensMs = 60;
const betweenTriesMs = 15;

process.on('disconnect', () => process.exit());
async function stay(): Promise<never> {
  for (;;) {
    await visit();
    await pause(betweenTriesMs);
  }
}

/** One connection, from its beginning to its end. */
async function visit(): Promise<void> {
  const session = http2.connect('http://localhost', { createConnection: () => net.connect(socket) });
  const closed = new Promise<void>((resolve) => session.once('close', () => resolve()));
  session.on('error', () => session.destroy());
  const connected = new Promise<boolean>((resolve) => session.once('connect', () => resolve(true)));
  if (!(await Promise.race([connected, closed.then(() => false)]))) return;
  await Promise.race([
    closed,
    Promise.all([
      keep(session, 'FetchX509SVID', (bytes) => ({
        kind: 'x509',
        svids: decodeX509SvidResponse(bytes).svids.map(svid),
      })),
      keep(session, 'FetchX509Bundles', (bytes) => ({
        kind: 'x509-bundles',
        bundles: texts(decodeX509BundlesResponse(bytes).bundles, 'base64'),
      })),
      keep(session, 'FetchJWTBundles', (bytes) => ({
        kind: 'jwt-bundles',
        bundles: texts(decodeJwtBundlesResponse(bytes).bundles, 'utf8'),
      })),
      askForTokens(session),
    ]),
  ]);
}

const svid = ({
  spiffeId,
  hint,
  x509Svid,
  x509SvidKey,
  bundle,
}: ReturnType<typeof decodeX509SvidResponse>['svids'][0]) => ({
  id: spiffeId,
  hint,
  chain: x509Svid.toString('base64'),
  key: x509SvidKey.toString('base64'),
  bundle: bundle.toString('base64'),
});

const texts = (bundles: ReadonlyMap<string, Buffer>, encoding: 'base64' | 'utf8'): Record<string, string> =>
  Object.fromEntries([...bundles].map(([name, bytes]) => [name, bytes.toString(encoding)]));

/** Asks again when the stream ends, whatever the reason. */
async function keep(session: http2.ClientHttp2Session, method: string, read: (bytes: Buffer) => Given): Promise<void> {
  while (!session.destroyed) {
    const code = await call(session, method, Buffer.alloc(0), (bytes) => capture(read(bytes)));
    capture({ kind: 'status', method, code });
    await pause(betweenTokensMs);
  }
}

async function askForTokens(session: http2.ClientHttp2Session): Promise<void> {
  for (let asked = 0; !session.destroyed; asked++) {
    const audience = audiences[asked % audiences.length] ?? [];
    const code = await call(session, 'FetchJWTSVID', encodeJwtSvidRequest(audience), (bytes) => {
      const tokens = decodeJwtSvidResponse(bytes).svids.map(({ spiffeId, svid }) => ({ id: spiffeId, token: svid }));
      capture({ kind: 'jwt', audience, tokens });
    });
    if (code !== '0') capture({ kind: 'status', method: 'FetchJWTSVID', code });
    await pause(betweenTokensMs);
  }
}

/** Resolves with the gRPC status, or with nothing where the connection broke. */
function call(
  session: http2.ClientHttp2Session,
  method: string,
  request: Buffer,
  message: (bytes: Buffer) => void,
): Promise<string> {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(request.length, 1);
  return new Promise((resolve) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': `/SpiffeWorkloadAPI/${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
      'workload.spiffe.io': 'true',
    });
    let rest = Buffer.alloc(0);
    let status = '';
    const note = (headers: http2.IncomingHttpHeaders): void => {
      status = String(headers['grpc-status'] ?? status);
    };
    stream.on('response', note).on('trailers', note);
    stream.on('data', (bytes: Buffer) => {
      rest = Buffer.concat([rest, bytes]);
      while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
        const end = 5 + rest.readUInt32BE(1);
        message(rest.subarray(5, end));
        rest = rest.subarray(end);
      }
    });
    stream.on('error', () => undefined);
    stream.on('close', () => resolve(status));
    stream.end(Buffer.concat([head, request]));
  });
}

type Given = Capture extends infer C ? (C extends Capture ? Omit<C, 'at' | 'pid' | 'uid'> : never) : never;

function capture(given: Given): void {
  writeSync(1, `${JSON.stringify({ at: Date.now(), pid, uid, ...given })}\n`);
}

await stay();
