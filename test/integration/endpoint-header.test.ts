import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Mayfly, startMayfly } from './fixture.ts';
import { allMethods, grpc, implementedMethods, rightHeader, type Workload } from './workload.ts';

let mayfly: Mayfly;
let registered: Workload;
let stranger: Workload;

beforeAll(async () => {
  mayfly = await startMayfly();
  await mayfly.operator.create({
    spiffeId: 'spiffe://example.org/web',
    selectors: ['unix:uid:10001'],
    audiences: ['reports'],
  });
  [registered, stranger] = await Promise.all([mayfly.workload(10001), mayfly.workload(10002)]);
});
afterAll(() => mayfly[Symbol.asyncDispose]());

describe('the security header (WE section 3)', () => {
  it.each(allMethods)('EP-08 EP-09 %s without it is refused with InvalidArgument', async (method) => {
    const answer = await registered.call(method, { metadata: [] });
    expect(answer).toMatchObject({ code: grpc.invalidArgument, messages: [] });
    expect(answer.text).toContain('workload.spiffe.io');
  });

  it.each(allMethods)(
    'EP-09 %s without it is InvalidArgument also for a caller who is owed nothing',
    async (method) => {
      expect(await stranger.call(method, { metadata: [] })).toMatchObject({ code: grpc.invalidArgument });
    },
  );

  it('EP-09 a request that is wrong in its shape too is refused for its header, with the same words', async () => {
    const shapeless = await registered.call('FetchJWTSVID', { metadata: [], request: Buffer.alloc(0) });
    expect(shapeless).toEqual(await registered.call('FetchX509SVID', { metadata: [] }));
  });

  it.each(['True', 'TRUE', '1', '', 'yes', 'true,', 'truee'])(
    'EP-10 the value is case-sensitive true; %j is InvalidArgument',
    async (value) => {
      for (const method of ['FetchX509SVID', 'FetchJWTSVID'] as const) {
        const answer = await registered.call(method, { metadata: [['workload.spiffe.io', value]] });
        expect(answer).toMatchObject({ code: grpc.invalidArgument, messages: [] });
      }
    },
  );

  it('EP-11 two values are refused, even when both are right', async () => {
    const answer = await registered.call('FetchX509SVID', { metadata: [rightHeader, rightHeader] });
    expect(answer).toMatchObject({ code: grpc.invalidArgument, messages: [] });
  });

  it('EP-12 a stream yields its status and no message before it', async () => {
    const stream = registered.open('FetchX509SVID', { metadata: [] });
    expect((await stream.ended()).code).toBe(grpc.invalidArgument);
    expect(stream.waiting).toBe(0);
  });

  it('EP-14 nothing but the header is asked of the caller: no token, no certificate', async () => {
    const answer = await registered.call('FetchX509SVID', { metadata: [rightHeader] });
    expect(answer.code).toBe(grpc.ok);
  });

  it('EP-14 credentials that a caller sends all the same change nothing', async () => {
    const metadata = [
      rightHeader,
      ['authorization', 'Bearer admin'],
      ['x-spiffe-id', 'spiffe://example.org/web'],
    ] as const;
    expect(await stranger.call('FetchX509SVID', { metadata })).toMatchObject({ code: grpc.permissionDenied });
  });
});

describe('who is owed nothing', () => {
  it.each(implementedMethods.filter((name) => name !== 'ValidateJWTSVID'))(
    'EP-22 XR-16 XR-22 JR-09 JR-20 %s answers PermissionDenied',
    async (method) => {
      const answer = await stranger.call(method);
      expect(answer).toMatchObject({ code: grpc.permissionDenied, messages: [] });
    },
  );

  it('EP-22 the text is the one that clients in the field recognise', async () => {
    expect((await stranger.call('FetchX509SVID')).text).toBe('no identity issued');
    expect((await stranger.call('FetchJWTSVID')).text).toBe('no identity issued');
  });
});

describe('the WIT profile, which is off', () => {
  it.each(['FetchWITSVID', 'FetchWITBundles'] as const)('WR-01 WA-05 %s answers Unimplemented', async (method) => {
    expect(await registered.call(method)).toMatchObject({ code: grpc.unimplemented, messages: [] });
    expect(await stranger.call(method)).toMatchObject({ code: grpc.unimplemented, messages: [] });
  });
});
