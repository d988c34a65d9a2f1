/**
 * A Node workload with our SDK, the counterpart of `spiffe echo-server` and `spiffe echo-client` in Go, line for line.
 * Once it is loaded it becomes the user UID:
 *
 *   node sdk-echo.ts UID server ADDRESS TRUST-DOMAIN
 *   node sdk-echo.ts UID client ADDRESS TRUST-DOMAIN SECONDS
 *   node sdk-echo.ts UID persistent ADDRESS TRUST-DOMAIN SECONDS
 *   node sdk-echo.ts UID fetch AUDIENCE
 *
 * The Workload API is found as any workload finds it, by SPIFFE_ENDPOINT_SOCKET.
 */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import tls from 'node:tls';
import {
  authorizeMemberOf,
  JwtSource,
  peerId,
  tlsClientOptions,
  tlsServerOptions,
  X509Source,
} from '../../src/sdk/sdk.ts';
import { become } from '../fakes/become.ts';

const [, , uid = '', story = '', address = '', trustDomain = '', seconds = '0'] = process.argv;
const [host = '127.0.0.1', port = '0'] = address.split(/:(?=\d+$)/);
become(Number(uid));
/** Of the wait for the first SVID. */
const signal = AbortSignal.timeout(90_000);
const say = (facts: object): boolean => process.stdout.write(`${JSON.stringify(facts)}\n`);

if (story === 'server') await serve();
else if (story === 'client') await call();
else if (story === 'persistent') await persist();
else await fetch(address);

async function serve(): Promise<void> {
  const source = await X509Source.open({ signal });
  const options = tlsServerOptions(source, authorizeMemberOf(trustDomain));
  const server = options.attach(tls.createServer(options, echo));
  server.on('tlsClientError', (error) => say({ refused: error.message }));
  server.listen(Number(port), host, () => say({ listening: `${host}:${(server.address() as { port: number }).port}` }));
}

function echo(socket: tls.TLSSocket): void {
  socket.on('error', () => socket.destroy());
  createInterface({ input: socket })
    .once('line', (line) => socket.end(`${peerId(socket)} ${line}\n`))
    .on('error', () => socket.destroy());
}

/** A new handshake every 100 ms for so long; every one must succeed. */
async function call(): Promise<void> {
  using source = await X509Source.open({ signal });
  const [own, peers, issuers] = [new Set<string>(), new Set<string>(), new Set<string>()];
  let [handshakes, peer, seenAs] = [0, '', ''];
  const end = performance.now() + Number(seconds) * 1000;
  do {
    const { socket, answer } = await hello(source);
    peer = peerId(socket);
    const leaf = socket.getPeerX509Certificate();
    seenAs = answer.split(' ')[0] ?? '';
    if (answer !== `${source.svid.id} hello`) throw new Error(`sent hello as ${source.svid.id}, got back ${answer}`);
    own.add(String(source.svid.notAfter));
    peers.add(leaf?.serialNumber ?? '');
    issuers.add(
      source
        .bundle(trustDomain as never)
        ?.map((root) => root.toString('base64'))
        .join() ?? '',
    );
    handshakes++;
    socket.destroy();
    await pause(100);
  } while (performance.now() < end);
  const counts = { ownCertificates: own.size, peerCertificates: peers.size, issuers: issuers.size };
  say({ handshakes, ...counts, peer, seenAs });
}

/** A new handshake every 20 ms for so long, whatever becomes of the one before. */
async function persist(): Promise<void> {
  using source = await X509Source.open({ signal });
  const failedAt: number[] = [];
  let handshakes = 0;
  const end = performance.now() + Number(seconds) * 1000;
  while (performance.now() < end) {
    await hello(source).then(
      ({ socket }) => {
        handshakes++;
        socket.destroy();
      },
      () => failedAt.push(Date.now()),
    );
    await pause(20);
  }
  say({ handshakes, failedAt });
}

/** With TLS 1.3 a client hears only with the answer that it was let in. */
async function hello(source: X509Source): Promise<{ readonly socket: tls.TLSSocket; readonly answer: string }> {
  const options = tlsClientOptions(source, authorizeMemberOf(trustDomain));
  const socket = tls.connect({ host, port: Number(port), ...options });
  const closed = once(socket, 'close').then(() => Promise.reject(new Error('the server hung up')));
  closed.catch(() => undefined);
  await Promise.race([once(socket, 'secureConnect'), closed]);
  const line = once(createInterface({ input: socket }), 'line');
  socket.write('hello\n');
  return { socket, answer: String((await Promise.race([line, closed]))[0]) };
}

/** What it gets from any Workload API. */
async function fetch(audience: string): Promise<void> {
  using source = await X509Source.open({ signal });
  using tokens = await JwtSource.open({ signal });
  const token = await tokens.fetch({ audience });
  const verified = source.verify(source.svid.certificates);
  say({ id: source.svid.id, verified, tokenOf: token.id, audience: token.audience });
}
