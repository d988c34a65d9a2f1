/** gRPC: connections, frames, every message of every service, and the answers that the SDK believes. */
import http2 from 'node:http2';
import { duplexPair } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { IdentityError } from '../../../src/errors.ts';
import { HealthService } from '../../../src/gen/grpc/health/v1/health.ts';
import { ServerReflectionService } from '../../../src/gen/grpc/reflection/v1/reflection.ts';
import { AdminService, Entry } from '../../../src/gen/mayfly/admin/v1/admin.ts';
import { ExchangesService } from '../../../src/gen/mayfly/workload/v1/exchanges.ts';
import * as workload from '../../../src/gen/workload.ts';
import { FrameReader, frame, parseTimeout } from '../../../src/runtime/grpc-frames.ts';
import { GrpcServer } from '../../../src/runtime/grpc-server.ts';
import { readJwtBundles, readJwtSvids, readValidated } from '../../../src/sdk/jwt-answers.ts';
import { readX509Context } from '../../../src/sdk/x509-context.ts';
import { FakeCa, svidMessage, x509Answer } from '../../fakes/ca.ts';
import { FakeJwtAuthority } from '../../fakes/jwt-authority.ts';
import { promise, type Target, texts } from '../engine/target.ts';
import { wireEntry } from './entries.ts';

const longestMessage = 4096;

export const grpcFrames: Target = {
  seeds: [
    frame(Buffer.alloc(0)),
    Buffer.concat([frame(Buffer.alloc(300, 1)), frame(Buffer.from('a'))]),
    Buffer.from('00ffffffff', 'hex'),
    Buffer.from('0100000001', 'hex'),
  ],
  run: (input) => {
    const whole = read([input]);
    const step = 1 + ((input[4] ?? 0) % 7);
    const pieces = Array.from({ length: Math.ceil(input.length / step) }, (_, i) =>
      input.subarray(i * step, (i + 1) * step),
    );
    const inPieces = read(pieces);
    promise(
      whole.length === inPieces.length && Buffer.concat(whole).equals(Buffer.concat(inPieces)),
      'cuts do not matter',
    );
    promise(
      whole.every(({ length }) => length <= longestMessage),
      'none is over the limit',
    );
    promise(Buffer.concat(whole.map(frame)).equals(input), 'frames make the whole');
  },
};

export const grpcTimeout: Target = {
  seeds: texts('1S', '99999999H', '100m', '5u', '0n', '123456789S', '-1S'),
  run: (input) => {
    const ms = parseTimeout(input.toString('latin1'));
    promise(ms === undefined || (Number.isFinite(ms) && ms >= 0), 'a wait is a number');
  },
};

const issued = new FakeCa('example.org');
const jwt = new FakeJwtAuthority();
const token = jwt.svid('spiffe://example.org/web', ['reports'], Date.now());
const svid = svidMessage(issued.issue('/web'), [issued.certificate], 'hint');
const answer = x509Answer([svid], { 'other.example': [new FakeCa('other.example').certificate] });
const bundles = { bundles: new Map([['spiffe://example.org', FakeJwtAuthority.jwks(jwt)]]) };
const claims = { sub: 'spiffe://example.org/web', nested: { deep: [1, null, true, { a: 'b' }] } };
const encoded = (writer: { finish(): Uint8Array }): Buffer => Buffer.from(writer.finish());

const messages = [
  encoded(workload.X509SVIDResponse.encode(answer)),
  encoded(workload.JWTSVIDResponse.encode({ svids: [token] })),
  encoded(workload.JWTBundlesResponse.encode(bundles)),
  encoded(workload.ValidateJWTSVIDResponse.encode({ spiffeId: 'spiffe://example.org/web', claims })),
  encoded(workload.ValidateJWTSVIDRequest.encode({ audience: 'reports', svid: token.svid })),
  encoded(Entry.encode(wireEntry)),
];

interface Codec {
  decode(bytes: Buffer): unknown;
  encode(message: unknown): Buffer;
}

const codecs = [
  workload.SpiffeWorkloadAPIService,
  AdminService,
  HealthService,
  ServerReflectionService,
  ExchangesService,
].flatMap((service) =>
  Object.values(service).flatMap((method) => [
    { decode: method.requestDeserialize, encode: method.requestSerialize },
    { decode: method.responseDeserialize, encode: method.responseSerialize },
  ]),
) as readonly Codec[];

/** The first byte chooses among all messages of all services: what is decoded can be encoded, and is then a fixed point. */
export const grpcMessages: Target = {
  seeds: codecs.map((_, index) => Buffer.concat([Buffer.of(index), messages[index % messages.length] as Buffer])),
  shape: 'protobuf',
  prefix: 1,
  run: (input) => {
    const codec = codecs[(input[0] ?? 0) % codecs.length];
    const decoded = attempt(() => codec?.decode(input.subarray(1)));
    if (codec === undefined || decoded === undefined) return;
    const once = codec.encode(decoded);
    promise(codec.encode(codec.decode(once)).equals(once), 'a message that was read and written stays as it is');
  },
};

/** The decoder's own refusals are answered with InvalidArgument, whatever they are. */
function attempt<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch {
    return undefined;
  }
}

/** A message that cannot be decoded never gets as far as our readers. */
export const sdkAnswers: Target = {
  seeds: messages,
  shape: 'protobuf',
  run: (input) => {
    const answers: readonly (readonly [decode: (bytes: Buffer) => never, read: (message: never) => unknown])[] = [
      [workload.X509SVIDResponse.decode as never, (message) => readX509Context(message, complain)],
      [workload.JWTSVIDResponse.decode as never, (message) => readJwtSvids(message, ['reports'])],
      [workload.JWTBundlesResponse.decode as never, (message) => readJwtBundles(message, complain)],
      [workload.ValidateJWTSVIDResponse.decode as never, readValidated],
    ];
    let refused: unknown;
    for (const [decode, readAnswer] of answers) {
      const message = attempt(() => decode(input));
      if (message !== undefined) refused = refusal(() => readAnswer(message)) ?? refused;
    }
    if (refused !== undefined) throw refused;
  },
};

const complain = (error: unknown): void => promise(error instanceof IdentityError, 'complaints are refusals');

function refusal(step: () => unknown): unknown {
  try {
    step();
    return undefined;
  } catch (error) {
    if (error instanceof IdentityError) return error;
    throw error;
  }
}

function read(pieces: readonly Buffer[]): Buffer[] {
  const reader = new FrameReader(longestMessage);
  const found = pieces.flatMap((piece) => reader.push(piece));
  reader.end();
  return found;
}

/** A whole connection as bytes, from the first one on. What it breaks in the process shows as an uncaught exception. */
export async function grpcConnection(): Promise<Target> {
  const server = new GrpcServer<undefined>({
    admit: (path) => promise(typeof path === 'string', 'a path'),
    messageLimit: longestMessage,
    streamsPerConnection: 10,
    failed: (_path, _peer, error) => {
      if (!(error instanceof IdentityError)) throw error;
      return error;
    },
  });
  server.add(HealthService, {
    check: () => ({ status: 1 }),
    watch: async function* () {
      yield { status: 1 };
    },
  });
  return {
    seeds: [
      await conversation(['/grpc.health.v1.Health/Check']),
      await conversation(['/grpc.health.v1.Health/Watch', '/none/None']),
    ],
    run: async (input) => {
      const [client, side] = duplexPair();
      client.on('error', () => undefined).resume();
      side.on('error', () => undefined);
      server.serve(side, undefined);
      client.write(input);
      for (let turns = 0; turns < 8; turns++) await nextTurn();
      client.destroy();
      side.destroy();
      await nextTurn();
      promise(server.openCalls <= 10, 'calls end with their connection');
    },
  };
}

/** What a client sends for these calls, to somebody who never answers. */
async function conversation(paths: readonly string[]): Promise<Buffer> {
  const sent: Buffer[] = [];
  const [client, side] = duplexPair();
  side.on('data', (chunk: Buffer) => sent.push(chunk));
  const session = http2.connect('http://localhost', { createConnection: () => client });
  session.on('error', () => undefined);
  for (const path of paths) {
    const fields = { ':path': path, 'content-type': 'application/grpc', te: 'trailers', 'grpc-timeout': '1S' };
    const stream = session.request({ ':method': 'POST', ...fields });
    stream.on('error', () => undefined).end(frame(Buffer.from('0a0161', 'hex')));
  }
  for (let turns = 0; turns < 20; turns++) await nextTurn();
  session.destroy();
  return Buffer.concat(sent);
}
