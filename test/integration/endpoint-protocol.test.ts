import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Mayfly, startMayfly } from './fixture.ts';
import { frame, rawBytes, rawCall, security } from './raw-http2.ts';
import { decodeX509SvidResponse, encodeJwtSvidRequest, encodeValidateRequest, field } from './wire.ts';
import { allMethods, grpc, plausibleRequests, type Workload } from './workload.ts';

let mayfly: Mayfly;
let neighbour: Workload;
const path = '/SpiffeWorkloadAPI/FetchX509SVID';

beforeAll(async () => {
  mayfly = await startMayfly();
  const entry = { audiences: ['reports'] };
  await mayfly.operator.createAll([
    { ...entry, spiffeId: 'spiffe://example.org/root', selectors: ['unix:uid:0'] },
    { ...entry, spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:10001'] },
  ]);
  neighbour = await mayfly.workload(10001);
});
afterAll(() => mayfly[Symbol.asyncDispose]());

describe('gRPC over plain HTTP/2', () => {
  it('EP-03 EP-13 a call is answered as gRPC without TLS', async () => {
    const answer = await rawCall(mayfly.socket, { path });
    expect(answer).toMatchObject({ httpStatus: 200, failure: undefined });
    expect(answer.contentType).toMatch(/^application\/grpc/);
    expect(decodeX509SvidResponse(answer.messages[0] ?? Buffer.alloc(0)).svids[0]?.spiffeId).toBe(
      'spiffe://example.org/root',
    );
  });

  it.each(allMethods)('WA-07 the path of %s has no package in it', async (method) => {
    const body = frame(plausibleRequests[method]);
    const answer = await rawCall(mayfly.socket, { path: `/SpiffeWorkloadAPI/${method}`, body });
    const expected = method.startsWith('FetchWIT')
      ? grpc.unimplemented
      : method === 'ValidateJWTSVID'
        ? grpc.invalidArgument
        : undefined;
    expect(answer.failure).toBeUndefined();
    if (expected === undefined) expect(answer.messages).toHaveLength(1);
    else expect(answer.grpcStatus).toBe(expected);
  });

  it.each([
    '/SpiffeWorkloadAPI/FetchSSHSVID',
    '/SpiffeWorkloadAPI/fetchx509svid',
    '/SpiffeWorkloadAPI/',
    '/spiffe.workload.SpiffeWorkloadAPI/FetchX509SVID',
    '/WorkloadAPI/FetchX509SVID',
    '/mayfly.admin.v1.Admin/ListPeople',
    '/',
  ])('EP-23 WA-06 %s does not exist: Unimplemented', async (unknown) => {
    expect(await rawCall(mayfly.socket, { path: unknown })).toMatchObject({
      grpcStatus: grpc.unimplemented,
      messages: [],
    });
  });

  it.each(['localhost', 'anything.example:1', '%2Frun%2Fapi.sock'])(
    'EP-33 the odd authority %s of a client on a Unix socket is tolerated',
    async (authority) => {
      const answer = await rawCall(mayfly.socket, { path, authority });
      expect(answer).toMatchObject({ failure: undefined });
      expect(answer.messages).toHaveLength(1);
    },
  );
});

describe('what is not gRPC', () => {
  it('SE-08 HTTP/1.1 is refused', async () => {
    const { text, closed } = await rawBytes(mayfly.socket, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(closed).toBe(true);
    expect(text).not.toMatch(/HTTP\/1\.1 [123]/);
  });

  it('SE-08 an upgrade to h2c is refused', async () => {
    const upgrade = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n';
    const request = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nworkload.spiffe.io: true\r\n${upgrade}\r\n`;
    const { text, closed } = await rawBytes(mayfly.socket, request);
    expect(closed).toBe(true);
    expect(text).not.toContain('101');
  });

  it('SE-08 a GET over HTTP/2 gets no identity', async () => {
    const answer = await rawCall(mayfly.socket, { path, headers: { ':method': 'GET', ...security } });
    expect(answer.messages).toEqual([]);
  });

  it('SE-08 a content type that is not gRPC gets no identity', async () => {
    const answer = await rawCall(mayfly.socket, { path, headers: { 'content-type': 'application/json', ...security } });
    expect(answer.messages).toEqual([]);
    expect(answer.httpStatus === 415 || (answer.grpcStatus ?? 0) > 0).toBe(true);
  });
});

describe('requests that are bad bytes', () => {
  const jwt = '/SpiffeWorkloadAPI/FetchJWTSVID';
  const validate = '/SpiffeWorkloadAPI/ValidateJWTSVID';
  const refused = [grpc.invalidArgument, 8, 13];

  it('a message that is no protobuf is refused with a status', async () => {
    for (const bytes of [Buffer.from([0xff, 0xff, 0xff]), Buffer.from([0x0a, 0x7f, 0x41]), Buffer.alloc(64, 0x80)]) {
      const answer = await rawCall(mayfly.socket, { path: jwt, body: frame(bytes) });
      expect(answer.messages).toEqual([]);
      expect(refused).toContain(answer.grpcStatus);
    }
  });

  it('a message above 64 KiB is refused, one below is read', async () => {
    const large = await rawCall(mayfly.socket, {
      path: validate,
      body: frame(encodeValidateRequest('a', 'x'.repeat(70_000))),
    });
    expect(large).toMatchObject({ messages: [] });
    expect([grpc.invalidArgument, 8]).toContain(large.grpcStatus);
    const small = await rawCall(mayfly.socket, {
      path: validate,
      body: frame(encodeValidateRequest('a', 'x'.repeat(1000))),
    });
    expect(small.grpcStatus).toBe(grpc.invalidArgument);
  });

  it('R-NET-2 a length prefix that promises 4 GiB is refused without waiting for them', async () => {
    const promise = Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 0]);
    const answer = await rawCall(mayfly.socket, { path: jwt, body: promise });
    expect(answer.messages).toEqual([]);
    expect(answer.grpcStatus ?? answer.failure).toBeTruthy();
  });

  it('R-NET-2 a truncated message, no message and two messages are refused', async () => {
    const one = frame(encodeJwtSvidRequest(['reports']));
    for (const body of [one.subarray(0, one.length - 1), Buffer.alloc(0), Buffer.concat([one, one])]) {
      const answer = await rawCall(mayfly.socket, { path: jwt, body });
      expect(answer.messages).toEqual([]);
      expect(answer.grpcStatus ?? answer.failure).toBeTruthy();
    }
  });

  it('R-NET-2 a body of empty messages without end is refused at the second, before anything is kept of them', async () => {
    const body = Buffer.alloc(5 * 1_000);
    const answer = await rawCall(mayfly.socket, { path: jwt, body, unfinished: true });
    expect(answer).toMatchObject({ messages: [], grpcStatus: grpc.unimplemented });
  });

  it('R-NET-2 a message that claims to be compressed is refused', async () => {
    const compressed = frame(encodeJwtSvidRequest(['reports']));
    compressed[0] = 1;
    const answer = await rawCall(mayfly.socket, { path: jwt, body: compressed });
    expect(answer.messages).toEqual([]);
    expect(answer.grpcStatus ?? answer.failure).toBeTruthy();
  });

  it('metadata beyond the limit is refused', async () => {
    const headers = { ...security, 'x-padding': 'x'.repeat(60_000) };
    const answer = await rawCall(mayfly.socket, { path, headers });
    expect(answer.messages).toEqual([]);
    expect(answer.grpcStatus ?? answer.failure).toBeTruthy();
  });

  it('fields that the table does not know are ignored, as proto3 says', async () => {
    const body = frame(Buffer.concat([encodeJwtSvidRequest(['reports']), field(99, 'from the future')]));
    expect((await rawCall(mayfly.socket, { path: jwt, body })).messages).toHaveLength(1);
  });

  it('neighbours notice nothing of all this', async () => {
    const stream = neighbour.open('FetchX509SVID');
    await stream.next();
    for (const bytes of [
      '\0\0\0',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff',
      'x'.repeat(4096),
    ]) {
      await rawBytes(mayfly.socket, Buffer.from(bytes, 'latin1'), 300);
    }
    await mayfly.operator.create({ spiffeId: 'spiffe://example.org/second', selectors: ['unix:uid:10001'] });
    expect(decodeX509SvidResponse(await stream.next()).svids).toHaveLength(2);
    stream.cancel();
  });
});
