import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeBundleEndpoint, saying, webCertificate } from '../../test/fakes/bundle-endpoint.ts';
import { FakeCa } from '../../test/fakes/ca.ts';
import { FakeClock } from '../../test/fakes/clock.ts';
import { openRegistry, type Registry } from '../registry/registry.ts';
import { createLog } from '../runtime/log.ts';
import { createMetrics, type Metrics } from '../runtime/metrics.ts';
import { systemRandom } from '../runtime/random.ts';
import { type Bundle, formatBundle } from '../spiffe/bundle.ts';
import { TrustDomain } from '../spiffe/id.ts';
import { encodePem } from '../x509/pem.ts';
import { type Federation, startFederation } from './federation.ts';

const own = TrustDomain.parse('example.org');
const partner = TrustDomain.parse('partner.example');
const webCa = new FakeCa('web.example');
const ca = new FakeCa(partner);
const bundle = (trustDomain: TrustDomain, authority: FakeCa, sequence: bigint, hint = 60): Bundle => ({
  trustDomain,
  x509Authorities: [authority.certificate],
  jwtAuthorities: [],
  sequence,
  refreshHintSeconds: hint,
});
const document = (sequence: bigint, hint = 60): string => formatBundle(bundle(partner, ca, sequence, hint));

let directory: string;
let clock: FakeClock;
let registry: Registry;
let metrics: Metrics;
let federation: Federation;
let endpoint: FakeBundleEndpoint;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'federation-'));
  // The certificates of the fakes are judged by OpenSSL, whose clock is the system's.
  clock = new FakeClock(Date.now());
  registry = await openRegistry({
    ...{ path: join(directory, 'registry.db'), key: Buffer.alloc(32, 1), clock, random: systemRandom },
    trustDomain: own,
  });
  endpoint = await FakeBundleEndpoint.listen(webCertificate(webCa), saying(document(1n)));
  start();
});
afterEach(async () => {
  federation.stop();
  await endpoint[Symbol.asyncDispose]();
  await registry.close();
  rmSync(directory, { recursive: true });
});

function start(): void {
  metrics = createMetrics();
  federation = startFederation({
    ...{ registry, clock, metrics, random: { ...systemRandom, fraction: () => 0 } },
    bundle: () => bundle(own, new FakeCa(own), 1n),
    log: createLog('silent'),
    pollFloorSeconds: 5,
  });
}
const web = (trustDomain: string = partner, url = endpoint.url) => ({
  trustDomain,
  endpointUrl: url,
  profile: 'https_web',
  roots: encodePem('CERTIFICATE', webCa.certificate),
  privateAddresses: true,
});
const sequence = (): bigint | undefined => registry.foreign.bundle(partner)?.bundle.sequence;
const asked = (times: number) => expect.poll(() => endpoint.requests.length, { timeout: 30_000 }).toBe(times);
const idle = () => expect.poll(() => federation.state(partner)?.nextPollAt, { timeout: 30_000 }).toBeDefined();
/** Runs the timers that are due by then, and waits until the looks that they began are over. */
async function pass(ms: number): Promise<void> {
  await clock.advance(ms);
  await idle();
}

describe('a federation', () => {
  it('asks at once, stores what it hears and tells whoever listens', async () => {
    const heard: (string | undefined)[] = [];
    registry.onChange(({ bundles }) => heard.push(...bundles.map(({ after }) => after?.bundle.trustDomain)));
    await registry.foreign.create(web());
    await federation.refresh(partner);
    expect([sequence(), heard]).toEqual([1n, [partner]]);
    expect(federation.state(partner)).toMatchObject({ failures: 0, lastError: undefined, fetchedAt: clock.now() });
  });

  it('FD-27 asks again at the hint of the newest bundle', async () => {
    await registry.foreign.create(web());
    await pass(0);
    await asked(1);
    endpoint.behave = saying(document(2n, 20));
    await pass(59_000);
    await asked(1);
    await pass(1_000);
    await asked(2);
    expect(sequence()).toBe(2n);
    await pass(20_000);
    await asked(3);
  });

  it('BF-10 FD-28 does not ask more often than its floor', async () => {
    endpoint.behave = saying(document(1n, 1));
    await registry.foreign.create(web());
    await pass(0);
    await pass(4_900);
    await asked(1);
    await pass(100);
    await asked(2);
  });

  it('FD-29 FD-41 keeps the last good bundle and waits for the next interval when a look fails', async () => {
    await registry.foreign.create(web());
    await pass(0);
    await asked(1);
    endpoint.behave = (_, response) => void response.writeHead(500).end();
    await pass(60_000);
    await asked(2);
    expect(federation.state(partner)).toMatchObject({ failures: 1, lastError: 'it answers with status 500' });
    expect(await metrics.print()).toMatch(/mayfly_federation_failing 1\n/);
    await pass(59_900);
    await asked(2);
    await pass(100);
    await asked(3);
    await pass(119_900);
    await asked(3);
    expect(sequence()).toBe(1n);
    endpoint.behave = saying(document(3n));
    await pass(100);
    expect([sequence(), federation.state(partner)?.failures]).toEqual([3n, 0]);
  });

  it('FD-31 keeps the newer bundle when an older one is served, and says so', async () => {
    endpoint.behave = saying(document(5n));
    await registry.foreign.create(web());
    await federation.refresh(partner);
    endpoint.behave = saying(document(4n));
    await expect(federation.refresh(partner)).rejects.toThrow(
      /^the bundle endpoint of partner.example: the endpoint serves bundle 4 .* older than 5; 5 is kept/,
    );
    expect(sequence()).toBe(5n);
  });

  it('BF-02 BF-29 keeps the old bundle when a broken one is served', async () => {
    await registry.foreign.create(web());
    await federation.refresh(partner);
    for (const broken of [
      '{"keys":null}',
      '{}',
      '[]',
      'no',
      '{"keys":[{"kty":"EC","use":"x509-svid","x5c":["AA=="]}]}',
    ]) {
      endpoint.behave = saying(broken);
      await expect(federation.refresh(partner)).rejects.toMatchObject({ code: 'invalid-argument' });
    }
    expect(sequence()).toBe(1n);
  });

  it('FD-30 begins with what was stored, and looks soon after a start', async () => {
    await registry.foreign.create(web());
    await federation.refresh(partner);
    federation.stop();
    endpoint.behave = (_, response) => void response.writeHead(503).end();
    start();
    await pass(2_000);
    await asked(2);
    expect([sequence(), federation.state(partner)?.failures]).toEqual([1n, 1]);
  });

  it('FD-38 stops asking when it ends', async () => {
    await registry.foreign.create(web());
    await federation.refresh(partner);
    await registry.foreign.delete(partner);
    await clock.advance(600_000);
    await asked(1);
    expect([federation.state(partner), registry.foreign.bundles()]).toEqual([undefined, []]);
    await expect(federation.refresh(partner)).rejects.toThrow(/no federation with "partner.example"/);
  });

  it('drops what comes for a relationship that was changed meanwhile, and asks anew', async () => {
    let answer = (): void => undefined;
    endpoint.behave = (request, response) => {
      answer = () => saying(document(1n))(request, response);
    };
    await registry.foreign.create(web());
    await clock.advance(0);
    await asked(1);
    const late = answer;
    endpoint.behave = saying(document(2n));
    await registry.foreign.update(partner, { endpointUrl: `${endpoint.url}/new` });
    await pass(0);
    await asked(2);
    late();
    expect([sequence(), endpoint.requests.at(-1)?.url]).toEqual([2n, '/bundle/new']);
  });

  it('FD-26 is asked as soon as the bundle is there by which its endpoint is judged', async () => {
    endpoint.show(ca.issue('/mayfly/bundle-endpoint'));
    const { roots: _, ...spiffe } = web('third.example');
    const endpointSpiffeId = 'spiffe://partner.example/mayfly/bundle-endpoint';
    await registry.foreign.create({ ...spiffe, profile: 'https_spiffe', endpointSpiffeId });
    await clock.advance(0);
    await expect.poll(() => federation.state('third.example')?.lastError).toMatch(/mayfly bundle set partner.example/);
    endpoint.behave = saying('{"keys":[],"spiffe_sequence":9}');
    await registry.foreign.setBundle(partner, document(1n));
    await expect.poll(() => registry.foreign.bundle(TrustDomain.parse('third.example'))?.bundle.sequence).toBe(9n);
  });
});

describe('fault row 36: whatever one peer does', () => {
  it('the others go on, at their own time', async () => {
    const hostile = await FakeBundleEndpoint.listen(webCertificate(webCa), () => undefined);
    await registry.foreign.create(web('hostile.example', hostile.url));
    await registry.foreign.create(web());
    await clock.advance(0);
    await expect.poll(() => hostile.requests.length).toBe(1);
    await expect.poll(sequence).toBe(1n);
    endpoint.behave = saying(document(2n));
    await pass(60_000);
    expect(sequence()).toBe(2n);
    expect(federation.state('hostile.example')?.lastError).toMatch(/did not answer within 10 s/);
    await hostile[Symbol.asyncDispose]();
  });

  it('flapping keys are taken one after the other, no faster than the floor', async () => {
    let count = 1n;
    endpoint.behave = (request, response) => saying(document(++count, 1))(request, response);
    await registry.foreign.create(web());
    const { version } = registry;
    await pass(0);
    for (let looks = 0; looks < 10; looks++) await pass(1_000);
    expect(registry.version - version).toBeLessThanOrEqual(3);
  });
});
