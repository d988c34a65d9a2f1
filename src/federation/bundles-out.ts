/** Our bundle on its way to other trust domains: served by us, and put where others serve it. */
import type { Authority } from '../authority/authority.ts';
import { IdentityError } from '../errors.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Clock } from '../runtime/clock.ts';
import { fetcher } from '../runtime/http.ts';
import type { Log } from '../runtime/log.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Random } from '../runtime/random.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/id.ts';
import { type BundleEndpoint, startBundleEndpoint } from './bundle-endpoint.ts';
import type { EndpointIdentity } from './endpoint-identity.ts';
import { FileIdentity } from './file-identity.ts';
import { Publication } from './publish.ts';
import { type PublishPlace, publisherOf } from './publishers.ts';
import { endpointId, SvidIdentity } from './svid-identity.ts';

/** Where a bundle endpoint listens, and who it is. */
export type EndpointPlace = {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** New ones of everybody together, twice as many at once. */
  readonly connectionsPerSecond: number;
} & (
  | { readonly profile: 'https_web'; readonly certificate: string; readonly key: string }
  | { readonly profile: 'https_spiffe'; readonly spiffeId?: SpiffeId | undefined }
);

export interface BundlesOutParts {
  readonly endpoints: readonly EndpointPlace[];
  readonly publish: readonly PublishPlace[];
  readonly trustDomain: TrustDomain;
  readonly authority: Authority;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface Published {
  readonly publisher: string;
  /** Undefined: the newest bundle is there. */
  readonly problem: string | undefined;
}

export interface BundlesOut {
  /** Where the endpoints listen. */
  readonly addresses: readonly string[];
  problems(): readonly string[];
  /** Looks at the certificates' files at once. */
  reread(): void;
  /** From now on there, and nowhere else; who stays where it is notices nothing. Rejects where one cannot be had. */
  serveAt(places: readonly EndpointPlace[]): Promise<void>;
  /** The same of where it is put. */
  publishTo(places: readonly PublishPlace[]): void;
  /** Publishes everywhere now. */
  publish(): Promise<readonly Published[]>;
  close(): Promise<void>;
}

export async function startBundlesOut(parts: BundlesOutParts): Promise<BundlesOut> {
  await using starting = new AsyncDisposableStack();
  const endpoints = new Endpoints(parts);
  starting.defer(() => endpoints.serveAt([]));
  await endpoints.serveAt(parts.endpoints);
  let publications = publicationsOf(parts.publish, parts);
  const stopPublishing = (): void => {
    for (const publication of publications) publication.stop();
  };
  starting.defer(stopPublishing);
  const open = starting.move();
  return {
    get addresses() {
      return endpoints.open.map(({ address }) => address);
    },
    problems: () =>
      [...endpoints.problems(), ...publications.map(({ problem }) => problem)].filter(
        (problem) => problem !== undefined,
      ),
    reread: () => {
      for (const endpoint of endpoints.open) endpoint.reread();
    },
    serveAt: (places) => endpoints.serveAt(places),
    publishTo: (places) => {
      stopPublishing();
      publications = publicationsOf(places, parts);
    },
    publish: () => Promise.all(publications.map(publishNow)),
    close: () => open.disposeAsync(),
  };
}

/** Those that are open, by the place that they were asked for. */
class Endpoints {
  readonly #parts: BundlesOutParts;
  readonly #open = new Map<string, BundleEndpoint>();
  /** What the settings want and cannot have. */
  #missing: string | undefined;

  constructor(parts: BundlesOutParts) {
    this.#parts = parts;
  }

  get open(): readonly BundleEndpoint[] {
    return [...this.#open.values()];
  }

  problems(): readonly (string | undefined)[] {
    return [this.#missing, ...this.open.map((endpoint) => endpoint.problem())];
  }

  /** What goes is closed first: what comes may want its address. One that cannot be had is in the way of no other. */
  async serveAt(places: readonly EndpointPlace[]): Promise<void> {
    const wanted = new Map(places.map((place) => [JSON.stringify(place), place]));
    for (const [name, endpoint] of this.#open) {
      if (wanted.has(name)) continue;
      this.#open.delete(name);
      await endpoint.close();
      this.#parts.log.info({ address: endpoint.address }, 'the bundle is not served there any more');
    }
    this.#missing = undefined;
    const faults: unknown[] = [];
    for (const [name, place] of wanted) {
      if (this.#open.has(name)) continue;
      await this.#start(place).then(
        (endpoint) => this.#open.set(name, endpoint),
        (fault: unknown) => faults.push(fault),
      );
    }
    if (faults.length === 0) return;
    const [fault] = faults;
    this.#missing = fault instanceof IdentityError ? fault.message : 'a bundle endpoint could not be opened';
    throw fault;
  }

  async #start(place: EndpointPlace): Promise<BundleEndpoint> {
    const { bundle, crls } = this.#parts.authority;
    const identity = await identityOf(place, this.#parts);
    const endpoint = await startBundleEndpoint({ ...place, bundle, crls, identity });
    const { path, profile } = place;
    this.#parts.log.info({ address: endpoint.address, path, profile }, 'the bundle is served');
    return endpoint;
  }
}

function identityOf(place: EndpointPlace, parts: BundlesOutParts): EndpointIdentity | Promise<EndpointIdentity> {
  if (place.profile === 'https_web') return new FileIdentity({ ...parts, ...place, whose: 'the bundle endpoint' });
  return SvidIdentity.issue({ ...parts, id: endpointId(place.spiffeId, parts.trustDomain) });
}

function publicationsOf(
  places: readonly PublishPlace[],
  { authority, clock, random, log, metrics }: BundlesOutParts,
): Publication[] {
  const { bundle } = authority;
  const fetch = fetcher({ clock });
  const counted = (publisher: string, outcome: 'ok' | 'failed') => metrics.published.inc({ publisher, outcome });
  return places.map((place) => {
    const publisher = publisherOf(place, { fetch, clock });
    return new Publication({ publisher, bundle, clock, random, log, counted });
  });
}

async function publishNow(publication: Publication): Promise<Published> {
  try {
    await publication.publish();
    return { publisher: publication.name, problem: undefined };
  } catch (error) {
    if (!(error instanceof IdentityError)) throw error;
    return { publisher: publication.name, problem: error.message };
  }
}
