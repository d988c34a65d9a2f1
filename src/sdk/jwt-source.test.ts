import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../../test/fakes/clock.ts';
import { eventually } from '../../test/fakes/eventually.ts';
import { FakeJwtAuthority } from '../../test/fakes/jwt-authority.ts';
import { FakeWorkloadApi, Status } from '../../test/fakes/workload-api.ts';
import { authorizationHeader, authorizationMetadata, bearerToken } from './bearer.ts';
import { WorkloadApiClient } from './client.ts';
import { JwtSource } from './jwt-source.ts';

const authority = new FakeJwtAuthority('k1');
const foreign = new FakeJwtAuthority('k2');
const web = 'spiffe://example.org/web';
const own = ['spiffe://example.org', FakeJwtAuthority.jwks(authority)] as const;
const federated = ['spiffe://other.org', FakeJwtAuthority.jwks(foreign)] as const;

let api: FakeWorkloadApi;
let clock: FakeClock;
let client: WorkloadApiClient;

beforeEach(async () => {
  api = await FakeWorkloadApi.start();
  clock = new FakeClock();
  client = new WorkloadApiClient({ address: api.address, clock });
  api.jwtBundles.send({ bundles: new Map([own, federated]) });
  api.jwtSvids = ({ audience, spiffeId }) => ({ svids: [authority.svid(spiffeId || web, audience, clock.now())] });
});

afterEach(async () => {
  client.close();
  await api[Symbol.asyncDispose]();
});

const asked = () => api.calls.filter(({ method }) => method === 'FetchJWTSVID').length;

describe('JWT-SVIDs of others', () => {
  it('XR-15 XR-24 JR-22 are judged by the keys for JWT-SVIDs alone, not by those for certificates beside them', async () => {
    const { keys } = JSON.parse(FakeJwtAuthority.jwks(authority, foreign).toString()) as { keys: object[] };
    const [forTokens, forCertificates] = keys;
    const use = (forWhat: object | undefined, is: string) => ({ ...forWhat, use: is });
    const bundle = { keys: [use(forTokens, 'jwt-svid'), use(forCertificates, 'x509-svid')] };
    api.jwtBundles.send({ bundles: new Map([['spiffe://example.org', Buffer.from(JSON.stringify(bundle))]]) });
    using source = await JwtSource.open({ client });
    const tokenOf = (by: FakeJwtAuthority): string => by.svid(web, ['a'], clock.now()).svid;
    expect(source.validate(tokenOf(authority), 'a').id).toBe(web);
    expect(() => source.validate(tokenOf(foreign), 'a')).toThrow(expect.objectContaining({ reason: 'unknown-key' }));
  });
});

describe('JWT-SVIDs of ours', () => {
  it('are cached until half of their life, by the set of audiences and the identity', async () => {
    using source = await JwtSource.open({ client });
    const first = await source.fetch({ audience: ['a', 'b'] });
    expect(await source.fetch({ audience: ['b', 'a', 'b'] })).toBe(first);
    await clock.advance(149_000);
    expect(await source.fetch({ audience: ['a', 'b'] })).toBe(first);
    expect(asked()).toBe(1);
    await source.fetch({ audience: 'a' });
    await source.fetch({ audience: ['a', 'b'], spiffeId: 'spiffe://example.org/other' });
    expect(asked()).toBe(3);
    await clock.advance(1_000);
    expect((await source.fetch({ audience: ['a', 'b'] })).issuedAt).toBe(clock.now());
    expect(asked()).toBe(4);
  });

  it('are asked for once by many at the same time, and one who gives up does not spoil it for the others', async () => {
    using source = await JwtSource.open({ client });
    const { promise, resolve } = Promise.withResolvers<void>();
    api.jwtSvids = async ({ audience }) => {
      await promise;
      return { svids: [authority.svid(web, audience, clock.now())] };
    };
    const impatient = source.fetch({ audience: 'a', signal: AbortSignal.timeout(20) });
    const patient = [source.fetch({ audience: 'a' }), source.fetch({ audience: 'a' })];
    await expect(impatient).rejects.toMatchObject({ code: 'deadline-exceeded' });
    resolve();
    const [one, other] = await Promise.all(patient);
    expect(one).toBe(other);
    expect(asked()).toBe(1);
  });

  it('are served from the cache while the server is away, until they expire', async () => {
    using source = await JwtSource.open({ client });
    const first = await source.fetch({ audience: 'a' });
    api.jwtSvids = () => new Status(14, 'overloaded');
    await clock.advance(200_000);
    expect(await source.fetch({ audience: 'a' })).toBe(first);
    await clock.advance(100_000);
    await expect(source.fetch({ audience: 'a' })).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('WA-26 are no longer handed out when the identity is withdrawn', async () => {
    using source = await JwtSource.open({ client });
    await source.fetch({ audience: 'a' });
    api.jwtSvids = () => new Status(7, 'no identity issued');
    api.jwtBundles.fail(7, 'no identity issued');
    const withdrawn = () => {
      try {
        return !source.bundles;
      } catch {
        return true;
      }
    };
    await eventually('the withdrawal', withdrawn);
    await expect(source.fetch({ audience: 'a' })).rejects.toMatchObject({ code: 'permission-denied' });
    expect(() => source.bundles).toThrow(expect.objectContaining({ code: 'permission-denied' }));
  });

  it('WA-26 are not served from the cache once the server has refused to renew them', async () => {
    using source = await JwtSource.open({ client });
    await source.fetch({ audience: 'a' });
    api.jwtSvids = () => new Status(7, 'no identity issued');
    await clock.advance(200_000);
    await expect(source.fetch({ audience: 'a' })).rejects.toMatchObject({ code: 'permission-denied' });
    api.jwtSvids = () => new Status(14, 'overloaded');
    await expect(source.fetch({ audience: 'a' })).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('WA-28 WA-32 are chosen by hint, the first of each', async () => {
    api.jwtSvids = ({ audience }) => ({
      svids: ['/a', '/b', '/c'].map((path, i) =>
        authority.svid(`${web}${path}`, audience, clock.now(), 300, i === 0 ? '' : 'x'),
      ),
    });
    using source = await JwtSource.open({ client });
    expect((await source.fetch({ audience: 'a' })).id).toBe(`${web}/a`);
    expect((await source.fetch({ audience: 'a', hint: 'x' })).id).toBe(`${web}/b`);
    await expect(source.fetch({ audience: 'a', hint: 'y' })).rejects.toMatchObject({ code: 'not-found' });
  });

  it('JT-33 are presented as a bearer token, in HTTP and in gRPC', async () => {
    using source = await JwtSource.open({ client });
    const svid = await source.fetch({ audience: 'a' });
    expect(authorizationHeader(svid)).toEqual({ Authorization: `Bearer ${svid.token}` });
    expect(authorizationMetadata(svid).get('authorization')).toEqual([`Bearer ${svid.token}`]);
    expect(bearerToken(authorizationHeader(svid).Authorization)).toBe(svid.token);
    expect([undefined, '', 'Basic abc', 'Bearer', 'Bearer a b'].map(bearerToken)).toEqual(Array(5).fill(undefined));
  });
});

describe("other people's JWT-SVIDs", () => {
  const token = (by: FakeJwtAuthority, sub: string) => by.svid(sub, ['us'], clock.now()).svid;

  it('are judged by the bundle of the trust domain that they name', async () => {
    using source = await JwtSource.open({ client });
    expect(source.validate(token(authority, web), 'us').id).toBe(web);
    expect(source.validate(token(foreign, 'spiffe://other.org/x'), 'us').id).toBe('spiffe://other.org/x');
    const refusal = expect.objectContaining({ name: 'IdentityError' });
    expect(() => source.validate(token(foreign, web), 'us')).toThrow(refusal);
    expect(() => source.validate(token(authority, web), 'them')).toThrow(refusal);
  });

  it('JR-23 are refused when the bundle of their trust domain is gone', async () => {
    using source = await JwtSource.open({ client });
    const peer = token(foreign, 'spiffe://other.org/x');
    source.validate(peer, 'us');
    api.jwtBundles.send({ bundles: new Map([own]) });
    await eventually('the smaller answer', () => source.bundles.size === 1);
    expect(() => source.validate(peer, 'us')).toThrow(expect.objectContaining({ name: 'IdentityError' }));
  });

  it('JR-33 can be judged by the Workload API', async () => {
    using source = await JwtSource.open({ client });
    api.validation = ({ audience, svid }) =>
      svid === 'good' ? { spiffeId: web, claims: { sub: web, aud: [audience] } } : new Status(3, 'token expired');
    expect(await source.validateRemotely('good', 'us')).toEqual({ id: web, claims: { sub: web, aud: ['us'] } });
    await expect(source.validateRemotely('bad', 'us')).rejects.toMatchObject({
      code: 'invalid-argument',
      message: 'The Workload API answered INVALID_ARGUMENT: token expired',
    });
  });

  it.each([
    ['spiffe_id', { spiffeId: '', claims: {} }],
    ['claims', { spiffeId: web, claims: undefined }],
  ])('WA-21 are not valid by an answer without %s', async (field, answer) => {
    using source = await JwtSource.open({ client });
    api.validation = () => answer;
    const refusal = { code: 'unavailable', message: expect.stringContaining(`${field} is empty`) };
    await expect(source.validateRemotely('good', 'us')).rejects.toMatchObject(refusal);
  });
});
