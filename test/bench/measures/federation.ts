/** How soon another trust domain's new key is here: served by a real endpoint, fetched, stored, and on a stream. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatBundle } from '../../../src/spiffe/bundle.ts';
import { TrustDomain } from '../../../src/spiffe/id.ts';
import { encodePem } from '../../../src/x509/pem.ts';
import { FakeBundleEndpoint, saying, webCertificate } from '../../fakes/bundle-endpoint.ts';
import { FakeCa } from '../../fakes/ca.ts';
import { type Mayfly, newDirectory, pause, startMayfly } from '../../integration/fixture.ts';
import { nowMs } from '../process-stat.ts';
import { costing, share } from '../rates.ts';
import type { Row } from '../row.ts';
import { holdStreams, type Streams } from '../streams.ts';
import { type Measure, own } from './measure.ts';

const peer = TrustDomain.parse('partner.example');
const hintSeconds = 2;
const polls = 12;
const refreshes = 100;
const manyStreams = 5_000;
/** Messages to one caller are 20 ms apart at least. */
const apartMs = 30;

export const federation: Measure = {
  title: 'keys of another trust domain',
  run: async () => {
    await using scene = await Scene.open();
    const { mayfly } = scene;
    using stream = await holdStreams(mayfly.socket, 1);
    const polled = await costing(mayfly.pid, () => times(polls, () => scene.change(stream, 1, async () => undefined)));
    const refresh = () => mayfly.operator.refreshFederation(peer);
    const refreshed = await costing(mayfly.pid, () => times(refreshes, () => scene.change(stream, 1, refresh)));
    using streams = await holdStreams(mayfly.socket, manyStreams);
    const { result, ...cost } = await costing(mayfly.pid, () => scene.change(streams, manyStreams, refresh));
    const hintMs = hintSeconds * 1000;
    return [
      latest(
        `a peer's new key → an open stream, hint ${hintSeconds} s, the latest of ${polls}`,
        polled,
        hintMs + 1_000,
      ),
      latest(`\`federation refresh\` → an open stream, the latest of ${refreshes}`, refreshed, 1_000),
      { measure: '`federation refresh` → the last of 5,000 streams', value: result, unit: 'ms', ...cost },
    ];
  },
};

function latest(measure: string, { result, ...cost }: { readonly result: readonly number[] }, atMost: number): Row {
  return { measure, value: share(result, 1), unit: 'ms', goal: { atMost }, ...cost };
}

async function times(count: number, measure: () => Promise<number>): Promise<number[]> {
  const measured: number[] = [];
  for (let round = 0; round < count; round++) measured.push(await measure());
  return measured;
}

/** An issuer that federates with an endpoint that serves one authority, then two, then one … */
class Scene implements AsyncDisposable {
  readonly mayfly: Mayfly;
  readonly #endpoint: FakeBundleEndpoint;
  readonly #authorities = [new FakeCa(peer).certificate, new FakeCa(peer).certificate];
  #sequence = 0n;

  private constructor(mayfly: Mayfly, endpoint: FakeBundleEndpoint) {
    this.mayfly = mayfly;
    this.#endpoint = endpoint;
  }

  static async open(): Promise<Scene> {
    const directory = newDirectory();
    const settings = join(directory, 'mayfly.yaml');
    writeFileSync(settings, 'bundle_poll_floor: 1s\nuser_connections: 6000\n');
    const mayfly = await startMayfly({ directory, flags: ['--config', settings] });
    await mayfly.operator.addPerson('ada');
    const web = new FakeCa('web.example');
    const scene = new Scene(mayfly, await FakeBundleEndpoint.listen(webCertificate(web), () => undefined));
    scene.#serve();
    await mayfly.operator.create({
      ...{ spiffeId: 'spiffe://example.org/web', selectors: own(), federatesWith: [peer] },
    });
    const roots = join(directory, 'roots.pem');
    writeFileSync(roots, encodePem('CERTIFICATE', web.certificate));
    const flags = ['--url', scene.#endpoint.url, '--profile', 'https_web', '--roots', roots, '--private-addresses'];
    const { status, stderr } = await mayfly.command('federation', 'create', peer, ...flags);
    if (status !== 0) throw new Error(stderr);
    return scene;
  }

  /** From the moment at which another bundle is served until the last of the streams has it. */
  async change(streams: Streams, count: number, order: () => Promise<unknown>): Promise<number> {
    await pause(apartMs);
    const bytes = this.#next().reduce((sum, { length }) => sum + length, 0);
    const arrivals = streams.collect('the bundle on the streams', count, (event) => event.federatedBytes === bytes);
    this.#serve();
    const start = nowMs();
    const [events] = await Promise.all([arrivals, order()]);
    return Math.max(...events.map(({ at }) => at)) - start;
  }

  /** Of different lengths, so that each message tells which it has. */
  #next(): readonly Buffer[] {
    return this.#authorities.slice(0, 1 + Number(this.#sequence % 2n));
  }

  #serve(): void {
    const x509Authorities = this.#next();
    this.#sequence += 1n;
    const bundle = { trustDomain: peer, x509Authorities, jwtAuthorities: [], sequence: this.#sequence };
    this.#endpoint.behave = saying(formatBundle({ ...bundle, refreshHintSeconds: hintSeconds }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.mayfly[Symbol.asyncDispose]();
    await this.#endpoint[Symbol.asyncDispose]();
  }
}
