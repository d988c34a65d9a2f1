import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { certificates, isoTime, issuerAmong, jwks, leafOf, readToken } from './documents.ts';
import { first, type Mayfly, pause, startMayfly } from './fixture.ts';
import { decodeJwtBundlesResponse, decodeX509BundlesResponse, decodeX509SvidResponse } from './wire.ts';
import { grpc, type Stream, type Workload } from './workload.ts';

/** Everything that four streams and a caller of FetchJWTSVID saw while the authorities changed twice beneath them. */
interface Seen {
  readonly x509: Timed<ReturnType<typeof decodeX509SvidResponse>>[];
  readonly x509Bundles: Timed<readonly string[]>[];
  readonly jwtBundles: Timed<readonly string[]>[];
  readonly tokens: Timed<{
    readonly kid: string;
    readonly left: number;
    readonly code: number;
    readonly life: number;
  }>[];
}
type Timed<T> = { readonly at: number; readonly value: T };

const caTtlSeconds = 15;
const trustDomain = 'spiffe://example.org';
const seen: Seen = { x509: [], x509Bundles: [], jwtBundles: [], tokens: [] };
let mayfly: Mayfly;

beforeAll(async () => {
  mayfly = await startMayfly({ flags: ['--ca-ttl', `${caTtlSeconds}s`, '--x509-ttl', '6s', '--jwt-ttl', '5s'] });
  await mayfly.operator.create({
    spiffeId: `${trustDomain}/web`,
    selectors: ['unix:uid:10001'],
    audiences: ['reports'],
  });
  const workload = await mayfly.workload(10001);
  const lasting = performance.now() + caTtlSeconds * 1_500;
  await Promise.all([
    follow(workload.open('FetchX509SVID'), lasting, decodeX509SvidResponse, seen.x509),
    follow(workload.open('FetchX509Bundles'), lasting, roots, seen.x509Bundles),
    follow(workload.open('FetchJWTBundles'), lasting, keyIds, seen.jwtBundles),
    fetchTokens(workload, lasting),
  ]);
}, 60_000);
afterAll(() => mayfly[Symbol.asyncDispose]());

async function follow<T>(stream: Stream, until: number, read: (message: Buffer) => T, into: Timed<T>[]): Promise<void> {
  while (performance.now() < until) {
    const message = await stream.nextOrEnd(until - performance.now()).catch(() => null);
    if (message === null) break;
    if (message === undefined) throw new Error('a stream ended during rotation');
    into.push({ at: Date.now(), value: read(message) });
  }
  stream.cancel();
}

async function fetchTokens(workload: Workload, until: number): Promise<void> {
  for (; performance.now() < until; await pause(100)) {
    const [svid] = await workload.jwt(['reports']);
    const { header, claims } = readToken(svid?.svid ?? '');
    const left = claims.exp - Date.now() / 1000;
    const { code } = await workload.validate('reports', svid?.svid ?? '');
    seen.tokens.push({
      at: Date.now(),
      value: { kid: String(header['kid']), left, code, life: claims.exp - claims.iat },
    });
  }
}

const fingerprint = (der: Buffer): string => createHash('sha256').update(der).digest('hex');
const roots = (message: Buffer): string[] =>
  certificates(decodeX509BundlesResponse(message).bundles.get(trustDomain) ?? Buffer.alloc(0)).map((c) =>
    fingerprint(c.raw),
  );
const keyIds = (message: Buffer): string[] =>
  jwks(decodeJwtBundlesResponse(message).bundles.get(trustDomain)).map((key) => key.kid);
const leaves = () => seen.x509.map(({ at, value }) => ({ at, svid: first(value.svids) }));

describe('renewal', () => {
  it('XR-19 WA-13 a new SVID comes well before the old one ends, never an expired one', () => {
    expect(seen.x509.length).toBeGreaterThan(4);
    for (const { at, svid } of leaves()) {
      const { notBefore, notAfter } = isoTime(leafOf(svid.x509Svid));
      expect(notBefore).toBeLessThanOrEqual(at);
      expect(notAfter).toBeGreaterThan(at);
    }
    const messages = leaves();
    for (const [index, { svid }] of messages.entries()) {
      const next = messages[index + 1];
      if (next !== undefined) expect(next.at).toBeLessThan(isoTime(leafOf(svid.x509Svid)).notAfter - 500);
    }
  });

  it('XR-19 SE-13 each has a new key and a new serial', () => {
    const byKey = new Map(leaves().map(({ svid }) => [fingerprint(svid.x509SvidKey), leafOf(svid.x509Svid)]));
    expect(new Set([...byKey.values()].map((leaf) => leaf.serialNumber)).size).toBe(byKey.size);
    expect(byKey.size).toBeGreaterThan(4);
  });

  it('WA-14 it is not renewed much more often than at half its life', () => {
    expect(seen.x509.length).toBeLessThan((caTtlSeconds * 1.5) / 3 + 8);
  });

  it('XC-35 no SVID outlives the authority that signed it', () => {
    for (const { svid } of leaves()) {
      const leaf = leafOf(svid.x509Svid);
      const issuer = issuerAmong(leaf, svid.bundle);
      expect(isoTime(leaf).notAfter).toBeLessThanOrEqual(issuer === undefined ? 0 : isoTime(issuer).notAfter);
    }
  });
});

describe('rotation of the X.509 authority', () => {
  it('XR-11 the new root is in the bundle before the first SVID from it, and the old one still is', () => {
    const issuers = leaves().map(({ svid }) => issuerAmong(leafOf(svid.x509Svid), svid.bundle));
    const turn = issuers.findIndex(
      (issuer, index) => index > 0 && issuer?.fingerprint256 !== issuers[index - 1]?.fingerprint256,
    );
    expect(turn, 'the authority changed').toBeGreaterThan(0);
    const has = (index: number, certificate: (typeof issuers)[number]): boolean =>
      certificates(leaves()[index]?.svid.bundle ?? Buffer.alloc(0)).some(
        (c) => c.fingerprint256 === certificate?.fingerprint256,
      );
    expect(has(turn - 1, issuers[turn]), 'new root published before use').toBe(true);
    expect(has(turn, issuers[turn - 1]), 'old root kept at the turn').toBe(true);
  });

  it('XR-11 at every moment the bundle verifies every SVID that has not expired', () => {
    const all = leaves();
    for (const { at, svid } of all) {
      for (const earlier of all.filter((one) => one.at < at && isoTime(leafOf(one.svid.x509Svid)).notAfter > at)) {
        expect(issuerAmong(leafOf(earlier.svid.x509Svid), svid.bundle)).toBeDefined();
      }
    }
  });

  it('XR-23 WA-13 FetchX509Bundles pushes each change', () => {
    expect(new Set(seen.x509Bundles.map(({ value }) => value.join())).size).toBeGreaterThan(1);
    const known = new Set(seen.x509Bundles.flatMap(({ value }) => value));
    for (const { svid } of leaves()) {
      for (const root of certificates(svid.bundle)) expect(known).toContain(fingerprint(root.raw));
    }
  });
});

describe('rotation of the JWT authority', () => {
  it('JR-21 WA-13 FetchJWTBundles pushes the new key', () => {
    expect(new Set(seen.jwtBundles.flatMap(({ value }) => value)).size).toBeGreaterThan(1);
  });

  it('JR-14 every key was in a pushed bundle before the first token from it', () => {
    const kids = new Set(seen.tokens.map(({ value }) => value.kid));
    expect(kids.size, 'the authority changed').toBeGreaterThan(1);
    for (const kid of kids) {
      const published = seen.jwtBundles.find(({ value }) => value.includes(kid));
      const used = seen.tokens.find(({ value }) => value.kid === kid);
      expect(published?.at).toBeLessThanOrEqual(used?.at ?? 0);
    }
  });

  it('JR-14 JR-13 under load no token fails to verify', () => {
    expect(seen.tokens.length).toBeGreaterThan(50);
    expect(new Set(seen.tokens.map(({ value }) => value.code))).toEqual(new Set([grpc.ok]));
  });

  it('JR-35 a token served again has more than half of its life before it', () => {
    for (const { value } of seen.tokens) expect(value.left).toBeGreaterThan(value.life / 2 - 1);
  });

  it('JT-23 no token outlives five seconds', () => {
    for (const { value } of seen.tokens) expect(value.life).toBeLessThanOrEqual(5);
  });
});
