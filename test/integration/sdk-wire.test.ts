/** Our client against a Workload API that shares no gRPC code with it: bare HTTP/2 frames over a Unix socket. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { JwtSource, WorkloadApiClient, X509Source } from '../../src/sdk/sdk.ts';
import { FakeCa } from '../fakes/ca.ts';
import { FakeJwtAuthority } from '../fakes/jwt-authority.ts';

const id = 'spiffe://example.org/web';
const ca = new FakeCa('example.org');
const web = ca.issue('/web');
const jwt = new FakeJwtAuthority();

/** A protobuf field of wire type 2: strings, bytes and messages. */
function field(number: number, ...parts: readonly (Buffer | string)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const length: number[] = [];
  for (let rest = body.length; ; rest >>= 7) {
    length.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest);
    if (rest <= 0x7f) break;
  }
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), body]);
}

/** The length-prefixed message of gRPC over HTTP/2. */
function frame(message: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

const pkcs8 = web.key.export({ type: 'pkcs8', format: 'der' });
const bundles = (value: Buffer): Buffer => field(1, field(1, 'spiffe://example.org'), field(2, value));
const answers: Record<string, () => Buffer> = {
  FetchX509SVID: () => field(1, field(1, id), field(2, ...web.chain), field(3, pkcs8), field(4, ca.certificate)),
  FetchX509Bundles: () => field(2, field(1, 'spiffe://example.org'), field(2, ca.certificate)),
  FetchJWTBundles: () => bundles(FakeJwtAuthority.jwks(jwt)),
  FetchJWTSVID: () => field(1, field(1, id), field(2, jwt.svid(id, ['a'], Date.now()).svid)),
  ValidateJWTSVID: () => Buffer.concat([field(1, id), field(2, field(1, field(1, 'sub'), field(2, field(3, id))))]),
};

const requests: IncomingHttpHeaders[] = [];
const server = createServer();
let directory: string;
let address: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sdk-wire-'));
  address = `unix://${directory}/api.sock`;
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    requests.push(headers);
    const method = String(headers[':path']).split('/')[2] ?? '';
    const unary = !/^Fetch(X509|JWTBundles)/.test(method);
    stream.respond({ 'content-type': 'application/grpc', ':status': 200 }, { waitForTrailers: unary });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.on('error', () => {});
    const body = frame(answers[method]?.() ?? Buffer.alloc(0));
    if (unary) stream.end(body);
    else stream.write(body);
  });
  server.listen(join(directory, 'api.sock'));
  await once(server, 'listening');
});

afterAll(async () => {
  server.close();
  await rm(directory, { recursive: true });
});

describe('the client on the wire', () => {
  it('EP-04 speaks gRPC with a server of another make, in all five calls', async () => {
    using client = new WorkloadApiClient({ address });
    const { svids, bundles: trusted } = await client.fetchX509Context();
    expect(svids.map((svid) => [svid.id, svid.privateKey.equals(web.key)])).toEqual([[id, true]]);
    expect([...trusted.values()]).toEqual([[ca.certificate]]);
    expect([...(await client.fetchX509Bundles()).values()]).toEqual([[ca.certificate]]);
    expect([...(await client.fetchJwtBundles()).values()]).toMatchObject([[{ keyId: jwt.keyId }]]);
    const [svid] = await client.fetchJwtSvids({ audience: 'a' });
    expect(svid?.id).toBe(id);
    expect(await client.validateJwtSvid({ audience: 'a', token: svid?.token ?? '' })).toEqual({
      id,
      claims: { sub: id },
    });
  });

  it('EP-07 sends workload.spiffe.io: true in every one of them', () => {
    expect(requests).toHaveLength(5);
    expect(requests.every((headers) => headers['workload.spiffe.io'] === 'true')).toBe(true);
  });

  it('EP-32 WR-02 calls the five methods of the two profiles, and never reflection, health or the WIT profile', async () => {
    requests.length = 0;
    await using x509 = await X509Source.open({ address });
    await using jwtSource = await JwtSource.open({ address });
    const svid = await jwtSource.fetch({ audience: 'a' });
    expect(jwtSource.validate(svid.token, 'a').id).toBe(id);
    expect(x509.verify(x509.svid.certificates)).toBe(id);
    expect(requests.map((headers) => headers[':path'])).toEqual([
      '/SpiffeWorkloadAPI/FetchX509SVID',
      '/SpiffeWorkloadAPI/FetchJWTBundles',
      '/SpiffeWorkloadAPI/FetchJWTSVID',
    ]);
  });
});
