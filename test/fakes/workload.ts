import { WorkloadApiClient } from '../../src/sdk/client.ts';
import { X509Source } from '../../src/sdk/x509-source.ts';
import { type FakeCa, type Issued, svidMessage, x509Answer } from './ca.ts';
import { HastyClock } from './eventually.ts';
import { FakeWorkloadApi } from './workload-api.ts';

/** A workload with a source of its own, whose identity and bundles a test changes as it likes. */
export class FakeWorkload implements AsyncDisposable {
  readonly api: FakeWorkloadApi;
  readonly source: X509Source;
  readonly #client: WorkloadApiClient;

  private constructor(api: FakeWorkloadApi, client: WorkloadApiClient, source: X509Source) {
    this.api = api;
    this.#client = client;
    this.source = source;
  }

  static async start(svid: Issued, own: readonly FakeCa[], federated: readonly FakeCa[] = []): Promise<FakeWorkload> {
    const api = await FakeWorkloadApi.start();
    api.x509Svids.send(answer(svid, own, federated));
    const client = new WorkloadApiClient({ address: api.address, clock: new HastyClock() });
    return new FakeWorkload(api, client, await X509Source.open({ client }));
  }

  /** Resolves when the source has the new state. */
  async rotate(svid: Issued, own: readonly FakeCa[], federated: readonly FakeCa[] = []): Promise<void> {
    await this.#changes(() => this.api.x509Svids.send(answer(svid, own, federated)));
  }

  async withdraw(): Promise<void> {
    await this.#changes(() => this.api.x509Svids.fail(7, 'no identity issued'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.source.close();
    this.#client.close();
    await this.api[Symbol.asyncDispose]();
  }

  async #changes(act: () => void): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _update = this.source.onUpdate(resolve);
    act();
    await promise;
  }
}

const answer = (svid: Issued, own: readonly FakeCa[], federated: readonly FakeCa[]) =>
  x509Answer(
    [svidMessage(svid, own.map(certificate))],
    Object.fromEntries(Object.entries(Object.groupBy(federated, (ca) => ca.trustDomain)).map(toCertificates)),
  );

const toCertificates = ([td, cas = []]: [string, FakeCa[] | undefined]): [string, Buffer[]] => [
  td,
  cas.map(certificate),
];

const certificate = (ca: FakeCa): Buffer => ca.certificate;
