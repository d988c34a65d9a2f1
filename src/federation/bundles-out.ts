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
export type EndpointPlace = { readonly host: string; readonly port: number; readonly path: string } & (
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
  /** From now on there, and nowhere else. */
  publishTo(places: readonly PublishPlace[]): void;
  /** Publishes everywhere now. */
  publish(): Promise<readonly Published[]>;
  close(): Promise<void>;
}

export async function startBundlesOut(parts: BundlesOutParts): Promise<BundlesOut> {
  const { bundle, crls } = parts.authority;
  await using starting = new AsyncDisposableStack();
  const endpoints: BundleEndpoint[] = [];
  for (const place of parts.endpoints) {
    const endpoint = await startBundleEndpoint({ ...place, bundle, crls, identity: await identityOf(place, parts) });
    starting.defer(() => endpoint.close());
    endpoints.push(endpoint);
    parts.log.info({ address: endpoint.address, path: place.path, profile: place.profile }, 'the bundle is served');
  }
  let publications = publicationsOf(parts.publish, parts);
  const stopPublishing = (): void => {
    for (const publication of publications) publication.stop();
  };
  starting.defer(stopPublishing);
  const open = starting.move();
  return {
    addresses: endpoints.map(({ address }) => address),
    problems: () =>
      [...endpoints.map((endpoint) => endpoint.problem()), ...publications.map(({ problem }) => problem)].filter(
        (problem) => problem !== undefined,
      ),
    reread: () => {
      for (const endpoint of endpoints) endpoint.reread();
    },
    publishTo: (places) => {
      stopPublishing();
      publications = publicationsOf(places, parts);
    },
    publish: () => Promise.all(publications.map(publishNow)),
    close: () => open.disposeAsync(),
  };
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
