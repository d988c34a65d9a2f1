/**
 * Who may call what, as a whole: each method that the descriptors name has a row here, on each socket. A method that is
 * added without one fails (R-ISS-2).
 */
import { chmodSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Mayfly, startMayfly, until } from './fixture.ts';
import { encodeJwtSvidRequest, encodeValidateRequest, field } from './wire.ts';
import { grpc, startWorkload, type Workload } from './workload.ts';

const { ok, invalidArgument, notFound, permissionDenied, unimplemented } = grpc;

interface Rule {
  /** Without the security header. */
  readonly bare: number;
  /** Of a process that is owed nothing. */
  readonly stranger: number;
  /** Of one that is owed an identity. */
  readonly owed: number;
  readonly request?: Buffer;
}

const owedOnly: Rule = { bare: invalidArgument, stranger: permissionDenied, owed: ok };
const notOffered: Rule = { bare: invalidArgument, stranger: unimplemented, owed: unimplemented };
/** About the service itself, for generic clients; nothing about anybody. */
const everybody: Rule = { bare: ok, stranger: ok, owed: ok };
const reflection: Rule = { ...everybody, request: field(7, '') };

const workloadSocket: Readonly<Record<string, Rule>> = {
  'SpiffeWorkloadAPI/FetchX509SVID': owedOnly,
  'SpiffeWorkloadAPI/FetchX509Bundles': owedOnly,
  'SpiffeWorkloadAPI/FetchJWTSVID': { ...owedOnly, request: encodeJwtSvidRequest(['reports']) },
  'SpiffeWorkloadAPI/FetchJWTBundles': owedOnly,
  // Judges what the caller brings along; the token here is none.
  'SpiffeWorkloadAPI/ValidateJWTSVID': {
    ...{ bare: invalidArgument, stranger: invalidArgument, owed: invalidArgument },
    request: encodeValidateRequest('reports', 'a.b.c'),
  },
  'SpiffeWorkloadAPI/FetchWITSVID': notOffered,
  'SpiffeWorkloadAPI/FetchWITBundles': notOffered,
  // About an SVID that nobody holds, and an exchange that nobody began.
  'mayfly.workload.v1.Exchanges/BeginExchange': {
    ...{ bare: invalidArgument, stranger: permissionDenied, owed: notFound },
    request: Buffer.concat([field(1, 'f7cc9c7b'), field(3, 'aws'), field(4, 'https://sts.example')]),
  },
  'mayfly.workload.v1.Exchanges/EndExchange': {
    ...{ bare: invalidArgument, stranger: notFound, owed: notFound },
    request: Buffer.concat([field(1, 'f7cc9c7b'), field(3, 'failed')]),
  },
  'grpc.health.v1.Health/Check': everybody,
  'grpc.health.v1.Health/Watch': everybody,
  'grpc.reflection.v1.ServerReflection/ServerReflectionInfo': reflection,
  'grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo': reflection,
};

const descriptors = readFileSync(new URL('../../src/gen/descriptors.binpb', import.meta.url));
/** What can be called at all, as `package.Service/Method`. */
const methods = fromBinary(FileDescriptorSetSchema, descriptors).file.flatMap((file) =>
  file.service.flatMap((service) =>
    service.method.map((method) => `${file.package === '' ? '' : `${file.package}.`}${service.name}/${method.name}`),
  ),
);
/** Issuers below ask on the operators' socket, too. */
const ofOperators = methods.filter((name) => /^mayfly\.(admin|downstream)\./.test(name));
const ofWorkloads = methods.filter((name) => !ofOperators.includes(name));

let mayfly: Mayfly;
let stranger: Workload;
let owed: Workload;

beforeAll(async () => {
  mayfly = await startMayfly();
  const entry = { spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:10001'], audiences: ['reports'] };
  await mayfly.operator.create(entry);
  [owed, stranger] = await Promise.all([mayfly.workload(10001), mayfly.workload(10099)]);
});
afterAll(() => mayfly[Symbol.asyncDispose]());

describe('the workload socket', () => {
  it('R-ISS-2 has a rule for every method, and no rule for another', () => {
    expect(Object.keys(workloadSocket).toSorted()).toEqual(ofWorkloads.toSorted());
    expect(ofOperators.length).toBeGreaterThan(10);
  });

  it.each(Object.entries(workloadSocket))('R-ISS-2 keeps the rule of %s', async (name, { request, ...rule }) => {
    const ask = async (caller: Workload, metadata?: readonly []): Promise<number> => {
      const more = { ...(request && { request }), ...(metadata && { metadata }) };
      return (await caller.call(`/${name}`, { request: Buffer.alloc(0), ...more })).code;
    };
    expect({ bare: await ask(owed, []), stranger: await ask(stranger), owed: await ask(owed) }).toEqual(rule);
    expect(await ask(stranger, [])).toBe(rule.bare);
  });

  it.each(ofOperators)('R-ISS-2 does not know %s, whoever asks', async (name) => {
    for (const caller of [owed, stranger]) expect((await caller.call(`/${name}`)).code).toBe(unimplemented);
  });
});

describe('the admin socket, were others to reach it', () => {
  let intruder: Workload;
  beforeAll(async () => {
    chmodSync(dirname(mayfly.adminSocket), 0o755);
    chmodSync(mayfly.adminSocket, 0o666);
    intruder = await startWorkload(`unix://${mayfly.adminSocket}`, 10001);
  });
  afterAll(() => intruder[Symbol.asyncDispose]());

  it.each([...methods, 'mayfly.admin.v1.Admin/NoSuchMethod'])(
    'R-ISS-2 refuses another user’s %s before a byte of it is read',
    async (name) => {
      const answer = await intruder.call(`/${name}`, { request: Buffer.from('ffffff', 'hex') });
      expect(answer).toMatchObject({ code: permissionDenied, messages: [] });
    },
  );

  it('R-ISS-2 has written nothing to the registry for it, and tells the operator that its socket is open', async () => {
    expect((await mayfly.operator.status()).people).toBe(1);
    await until('it is told', () => /has mode 666/.test(mayfly.output), 10_000);
  });
});
