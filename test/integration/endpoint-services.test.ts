import { fromBinary } from '@bufbuild/protobuf';
import { type DescriptorProto, type FileDescriptorProto, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Mayfly, startMayfly } from './fixture.ts';
import { frame, rawCall } from './raw-http2.ts';
import { field } from './wire.ts';

let mayfly: Mayfly;
let api: FileDescriptorProto;

beforeAll(async () => {
  mayfly = await startMayfly();
  api = await describeFile('v1');
});
afterAll(() => mayfly[Symbol.asyncDispose]());

const versions = ['v1', 'v1alpha'] as const;

/** Asks without the security header, as generic clients do. */
async function reflect(version: (typeof versions)[number], request: Buffer): Promise<Buffer> {
  const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
  const answer = await rawCall(mayfly.socket, { path, headers: {}, body: frame(request) });
  const [message] = answer.messages;
  if (message === undefined) throw new Error(`no answer: ${answer.grpcStatus} ${answer.grpcMessage} ${answer.failure}`);
  return message;
}

/** file_containing_symbol = 4; the answer holds the file descriptors in field 4 (file_descriptor_response), field 1. */
async function describeFile(version: (typeof versions)[number]): Promise<FileDescriptorProto> {
  const answer = await reflect(version, field(4, 'SpiffeWorkloadAPI'));
  const name = answer.indexOf(Buffer.from('workload.proto'));
  for (let start = name; start >= 0; start--) {
    const file = parsed(answer, start);
    if (file?.service.some((service) => service.name === 'SpiffeWorkloadAPI')) return file;
  }
  throw new Error('the answer holds no descriptor of SpiffeWorkloadAPI');
}

/** A length-delimited descriptor that begins at `start`, if there is one. */
function parsed(answer: Buffer, start: number): FileDescriptorProto | undefined {
  let length = 0;
  let at = start;
  for (let shift = 0; at < answer.length && shift < 28; shift += 7) {
    const byte = answer[at++] ?? 0;
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  if (length < 200 || at + length > answer.length) return undefined;
  try {
    return fromBinary(FileDescriptorProtoSchema, answer.subarray(at, at + length));
  } catch {
    return undefined;
  }
}

const layout = (message: DescriptorProto | undefined): string[] =>
  (message?.field ?? [])
    .toSorted((a, b) => a.number - b.number)
    .map((f) => `${f.number} ${f.label === 3 ? 'repeated ' : ''}${f.typeName || f.type} ${f.name}`);

/** Types as descriptor.proto numbers them: 9 string, 12 bytes. */
const table: Readonly<Record<string, readonly string[]>> = {
  X509SVIDRequest: [],
  X509SVIDResponse: [
    '1 repeated .X509SVID svids',
    '2 repeated 12 crl',
    '3 repeated .X509SVIDResponse.FederatedBundlesEntry federated_bundles',
  ],
  X509SVID: ['1 9 spiffe_id', '2 12 x509_svid', '3 12 x509_svid_key', '4 12 bundle', '5 9 hint'],
  X509BundlesRequest: [],
  X509BundlesResponse: ['1 repeated 12 crl', '2 repeated .X509BundlesResponse.BundlesEntry bundles'],
  JWTSVIDRequest: ['1 repeated 9 audience', '2 9 spiffe_id'],
  JWTSVIDResponse: ['1 repeated .JWTSVID svids'],
  JWTSVID: ['1 9 spiffe_id', '2 9 svid', '3 9 hint'],
  JWTBundlesRequest: [],
  JWTBundlesResponse: ['1 repeated .JWTBundlesResponse.BundlesEntry bundles'],
  ValidateJWTSVIDRequest: ['1 9 audience', '2 9 svid'],
  ValidateJWTSVIDResponse: ['1 9 spiffe_id', '2 .google.protobuf.Struct claims'],
  WITSVIDRequest: ['1 9 spiffe_id'],
  WITSVIDResponse: ['1 repeated .WITSVID svids'],
  WITSVID: ['1 9 spiffe_id', '2 9 wit_svid', '3 9 wit_svid_key', '4 9 hint'],
  WITBundlesRequest: [],
  WITBundlesResponse: ['1 repeated .WITBundlesResponse.BundlesEntry bundles'],
};

describe('reflection', () => {
  it.each(versions)(
    'EP-28 EP-31 %s lists SpiffeWorkloadAPI under its bare name, without the security header',
    async (version) => {
      const services = (await reflect(version, field(7, ''))).toString('latin1');
      expect(services).toContain('SpiffeWorkloadAPI');
      expect(services).toContain('grpc.health.v1.Health');
      expect(services).not.toMatch(/[A-Za-z0-9]\.SpiffeWorkloadAPI/);
    },
  );

  it.each(versions)('EP-31 %s describes the service', async (version) => {
    expect((await describeFile(version)).service[0]?.name).toBe('SpiffeWorkloadAPI');
  });

  it('EP-31 a symbol that does not exist is an answer, not a failed call', async () => {
    const answer = await reflect('v1', field(4, 'NoSuchService'));
    expect(answer.toString('latin1')).not.toContain('workload.proto');
  });
});

describe('the service as described', () => {
  it('EP-29 WA-06 WA-07 it has no package, one service and exactly the seven methods', () => {
    expect(api.package).toBe('');
    expect(api.syntax).toBe('proto3');
    expect(api.dependency).toEqual(['google/protobuf/struct.proto']);
    expect(api.service).toHaveLength(1);
    const methods = api.service[0]?.method.map(
      (m) =>
        `${m.name} ${m.inputType} ${m.clientStreaming ? 'stream' : 'one'} ${m.outputType} ${m.serverStreaming ? 'stream' : 'one'}`,
    );
    expect(methods?.toSorted()).toEqual([
      'FetchJWTBundles .JWTBundlesRequest one .JWTBundlesResponse stream',
      'FetchJWTSVID .JWTSVIDRequest one .JWTSVIDResponse one',
      'FetchWITBundles .WITBundlesRequest one .WITBundlesResponse stream',
      'FetchWITSVID .WITSVIDRequest one .WITSVIDResponse stream',
      'FetchX509Bundles .X509BundlesRequest one .X509BundlesResponse stream',
      'FetchX509SVID .X509SVIDRequest one .X509SVIDResponse stream',
      'ValidateJWTSVID .ValidateJWTSVIDRequest one .ValidateJWTSVIDResponse one',
    ]);
  });

  it('EP-29 WA-06 WA-08 its messages are exactly the table, no field more', () => {
    expect(api.messageType.map((message) => message.name).toSorted()).toEqual(Object.keys(table).toSorted());
    for (const message of api.messageType) expect(layout(message), message.name).toEqual(table[message.name]);
  });

  it('WA-08 map values are bytes, but strings for WIT bundles', () => {
    const entry = (name: string): string[] => {
      const message = api.messageType.find((candidate) => candidate.name === name);
      return (message?.nestedType ?? []).flatMap(layout);
    };
    expect(entry('X509SVIDResponse')).toEqual(['1 9 key', '2 12 value']);
    expect(entry('X509BundlesResponse')).toEqual(['1 9 key', '2 12 value']);
    expect(entry('JWTBundlesResponse')).toEqual(['1 9 key', '2 12 value']);
    expect(entry('WITBundlesResponse')).toEqual(['1 9 key', '2 9 value']);
  });

  it('XR-01 JR-01 FetchX509SVID streams, FetchJWTSVID does not', () => {
    const streams = new Map(api.service[0]?.method.map((method) => [method.name, method.serverStreaming]));
    expect(streams.get('FetchX509SVID')).toBe(true);
    expect(streams.get('FetchJWTSVID')).toBe(false);
  });
});

describe('health', () => {
  const check = (service: string) =>
    rawCall(mayfly.socket, {
      path: '/grpc.health.v1.Health/Check',
      headers: {},
      body: frame(service === '' ? Buffer.alloc(0) : field(1, service)),
    });

  it.each(['', 'SpiffeWorkloadAPI'])(
    'EP-30 the health service on the same endpoint says that %j serves',
    async (service) => {
      expect((await check(service)).messages).toEqual([Buffer.from([0x08, 0x01])]);
    },
  );

  it('EP-30 a service that is not here is NotFound', async () => {
    expect(await check('no.such.Service')).toMatchObject({ grpcStatus: 5, messages: [] });
  });
});
