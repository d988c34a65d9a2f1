/** The door of the room: the world outside our trust domain, as far as bundles go in and out of it. */
import { IdentityError } from '../errors.ts';
import type { Registry, RegistryChange, Relationship } from '../registry/registry.ts';
import { type Clock, onJump } from '../runtime/clock.ts';
import { fetcher } from '../runtime/http.ts';
import type { Log } from '../runtime/log.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Random } from '../runtime/random.ts';
import type { Resolve } from '../runtime/resolve.ts';
import type { Bundle } from '../spiffe/bundle.ts';
import { SpiffeId, type TrustDomain } from '../spiffe/id.ts';
import { Poller, type PollState } from './poller.ts';

export { type BundlesOut, type EndpointPlace, type Published, startBundlesOut } from './bundles-out.ts';
export { type IssuerOut, type IssuerPlace, startIssuer } from './issuer.ts';
export type { PollState } from './poller.ts';
export type { PublishPlace } from './publishers.ts';

export interface FederationParts {
  readonly registry: Registry;
  /** Our own bundle, as it is now. */
  readonly bundle: () => Bundle;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  /** No endpoint is looked at more often, whatever its bundle hints. */
  readonly pollFloorSeconds: number;
  readonly resolve?: Resolve;
}

export interface Federation {
  /** What was last seen of an endpoint; undefined where there is no such relationship. */
  state(trustDomain: string): PollState | undefined;
  /** From the next look on. */
  setPollFloor(seconds: number): void;
  /** Looks at the endpoint now; rejects with what was wrong. */
  refresh(trustDomain: string): Promise<void>;
  stop(): void;
}

export function startFederation(parts: FederationParts): Federation {
  return new Pollers(parts);
}

/** One poller for each relationship that the registry holds, started anew when its relationship changes. */
class Pollers implements Federation {
  readonly #parts: FederationParts;
  readonly #pollers = new Map<string, Poller>();
  #floorMs: number;
  readonly #subscriptions: readonly Disposable[];

  constructor(parts: FederationParts) {
    const { registry, clock, metrics } = parts;
    this.#parts = parts;
    this.#floorMs = parts.pollFloorSeconds * 1000;
    for (const relationship of registry.foreign.relationships()) this.#start(relationship, true);
    this.#subscriptions = [
      registry.onChange((change) => this.#changed(change)),
      onJump(clock, () => this.#hurry('clock')),
    ];
    const failing = () => [...this.#pollers.values()].filter(({ state }) => state.failures > 0).length;
    metrics.gauge('mayfly_federation_failing', 'bundle endpoints whose last answer was none', failing);
  }

  state(trustDomain: string): PollState | undefined {
    return this.#pollers.get(trustDomain)?.state;
  }

  setPollFloor(seconds: number): void {
    this.#floorMs = seconds * 1000;
  }

  async refresh(trustDomain: string): Promise<void> {
    const poller = this.#pollers.get(trustDomain);
    if (poller === undefined) throw this.#absent(trustDomain);
    await poller.refresh().catch((cause: unknown) => {
      if (!(cause instanceof IdentityError)) throw cause;
      throw new IdentityError(cause.code, `the bundle endpoint of ${trustDomain}: ${cause.message}`, { cause });
    });
  }

  stop(): void {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
    for (const poller of this.#pollers.values()) poller.stop();
    this.#pollers.clear();
  }

  #changed({ relationships, bundles }: RegistryChange): void {
    for (const { before, after } of relationships) {
      if (before !== undefined) this.#stopOne(before);
      if (after !== undefined) this.#start(after, false);
    }
    for (const { after } of bundles) {
      // Whoever could not be judged for lack of it is asked again (FD-26).
      if (after !== undefined) this.#hurry('bundle', after.bundle.trustDomain);
    }
  }

  #hurry(why: 'clock' | 'bundle', judgedBy?: TrustDomain): void {
    for (const poller of this.#pollers.values()) {
      const { endpointSpiffeId } = poller.relationship;
      const by = endpointSpiffeId && SpiffeId.trustDomain(endpointSpiffeId);
      if (judgedBy === undefined || judgedBy === by) poller.hurry(why);
    }
  }

  #start(relationship: Relationship, atStart: boolean): void {
    const { registry, clock, random, log, metrics, resolve } = this.#parts;
    const { foreign } = registry;
    const parts = {
      ...{ foreign, clock, random, log },
      fetch: fetcher({ clock, ...(resolve === undefined ? {} : { resolve }) }),
      bundleOf: (name: TrustDomain) => this.#bundleOf(name),
      floorMs: () => this.#floorMs,
      counted: (trustDomain: string, outcome: string) => metrics.polled.inc({ trust_domain: trustDomain, outcome }),
    };
    const spread = atStart && foreign.bundle(relationship.trustDomain) !== undefined;
    this.#pollers.set(relationship.trustDomain, new Poller(relationship, parts, { spread }));
  }

  #stopOne({ trustDomain }: Relationship): void {
    this.#pollers.get(trustDomain)?.stop();
    this.#pollers.delete(trustDomain);
  }

  #bundleOf(name: TrustDomain): Bundle | undefined {
    const own = this.#parts.bundle();
    return own.trustDomain === name ? own : this.#parts.registry.foreign.bundle(name)?.bundle;
  }

  /** In the registry's words, which know what to do. */
  #absent(trustDomain: string): IdentityError {
    this.#parts.registry.foreign.relationship(trustDomain);
    return new IdentityError('unavailable', `the federation with ${trustDomain} is not being polled`);
  }
}
