/**
 * A server that always says the same: `node fixed-answer.ts mayfly|grpc-js|node-http2 SOCKET`. It shows what the way to
 * speak gRPC costs by itself, without the work behind an answer.
 */
import http2 from 'node:http2';
import net from 'node:net';
import { Server, ServerCredentials, type ServerWritableStream, type sendUnaryData } from '@grpc/grpc-js';
import {
  JWTSVIDResponse,
  SpiffeWorkloadAPIService as service,
  type X509SVIDRequest,
  X509SVIDResponse,
} from '../../src/gen/workload.ts';
import { GrpcServer, type Handlers } from '../../src/runtime/grpc-server.ts';
import { Wake } from '../../src/runtime/watch.ts';
import { frame } from '../integration/raw-http2.ts';

const [kind = '', socket = ''] = process.argv.slice(2);

/** As large as the real ones. */
const jwt = { svids: [{ spiffeId: 'spiffe://example.org/web', svid: 'x'.repeat(420), hint: '' }] };
const x509 = {
  svids: [
    {
      spiffeId: 'spiffe://example.org/web',
      x509Svid: Buffer.alloc(500),
      x509SvidKey: Buffer.alloc(138),
      bundle: Buffer.alloc(460),
      hint: '',
    },
  ],
  crl: [],
  federatedBundles: new Map(),
};

const servers: Readonly<Record<string, () => (connection: net.Socket) => void>> = {
  mayfly: () => {
    const server = new GrpcServer<null>({
      admit: () => undefined,
      messageLimit: 65_536,
      streamsPerConnection: 100,
      failed: () => undefined,
    });
    const handlers: Partial<Handlers<typeof service, null>> = {
      fetchJwtsvid: () => jwt,
      fetchX509Svid: async function* (_request, call) {
        yield x509;
        await new Wake().wait(call.signal);
      },
    };
    server.add(service, handlers as Handlers<typeof service, null>);
    return (connection) => server.serve(connection, null);
  },

  'grpc-js': () => {
    const server = new Server({ 'grpc.max_concurrent_streams': 100 });
    server.addService(service, {
      fetchJwtsvid: (_call: unknown, done: sendUnaryData<JWTSVIDResponse>) => done(null, jwt),
      fetchX509Svid: (call: ServerWritableStream<X509SVIDRequest, X509SVIDResponse>) => void call.write(x509),
    });
    const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
    return (connection) => injector.injectConnection(connection);
  },

  'node-http2': () => {
    const jwtFrame = frame(Buffer.from(JWTSVIDResponse.encode(jwt).finish()));
    const x509Frame = frame(Buffer.from(X509SVIDResponse.encode(x509).finish()));
    const begin = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void => {
      stream.on('error', () => undefined);
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.resume();
      if (headers[':path']?.endsWith('FetchX509SVID')) stream.write(x509Frame);
      else stream.end(jwtFrame);
    };
    return (connection) =>
      void http2
        .performServerHandshake(connection)
        .on('stream', begin)
        .on('error', () => undefined);
  },
};

const accept = servers[kind]?.();
if (accept === undefined) throw new Error(`no such server: ${kind}`);
const listener = net.createServer((connection) => {
  connection.on('error', () => undefined);
  accept(connection);
});
listener.listen({ path: socket, backlog: 4096 }, () => process.send?.('ready'));
