import { AudienceIndex, type AudiencePolicy } from '../spiffe/audience.ts';
import { audiencePresets } from '../spiffe/audience-presets.ts';
import type { Entry } from '../spiffe/entry.ts';
import type { TrustDomain } from '../spiffe/id.ts';
import type { Selector } from '../spiffe/selector.ts';
import { Entitlements } from './entitlements.ts';
import type { ForeignBundle } from './foreign-bundle.ts';
import { Moments } from './moments.ts';
import { type NearMiss, nearMisses } from './near.ts';
import type { Person } from './person.ts';
import type { Relationship } from './relationship.ts';
import { Tally } from './tally.ts';

/** Without `before` it is new, without `after` it is gone. */
export interface Step<T> {
  readonly before: T | undefined;
  readonly after: T | undefined;
}

/** What one committed transaction changed. */
export interface Change {
  readonly people: readonly { readonly before: Person | undefined; readonly after: Person }[];
  readonly entries: readonly Step<Entry>[];
  readonly relationships: readonly Step<Relationship>[];
  readonly bundles: readonly Step<ForeignBundle>[];
  readonly audiences: readonly Step<AudiencePolicy>[];
}

/** To be spread under what does change. */
export const noChange: Change = { people: [], entries: [], relationships: [], bundles: [], audiences: [] };

/** Which entries to list; all that is given must hold. */
export interface EntryFilter {
  readonly spiffeId?: string;
  readonly owner?: string;
  /** Entries that need all of these. */
  readonly selectors?: readonly string[];
  /** 0 or absent: all. */
  readonly limit?: number;
}

/** The whole registry in memory. Every reader reads this; `apply` is the only thing that changes it. */
export class Contents {
  readonly #people = new Map<string, Person>();
  readonly #entries = new Map<string, Entry>();
  readonly #relationships = new Map<TrustDomain, Relationship>();
  readonly #bundles = new Map<TrustDomain, ForeignBundle>();
  readonly #audiences = new Map<string, AudiencePolicy>();
  #audienceIndex = new AudienceIndex(audiencePresets);
  readonly #entitlements = new Entitlements();
  readonly #expiries = new Moments();
  readonly #prefixes = new Tally();
  readonly #owned = new Tally();

  apply(change: Change): void {
    for (const { after } of change.people) this.#people.set(after.id, after);
    for (const { before, after } of change.entries) {
      if (before !== undefined) this.#unfile(before);
      if (after !== undefined) this.#file(after);
      else if (before !== undefined) this.#entries.delete(before.id);
    }
    this.#expiries.add(change.entries.map(({ after }) => after?.expiresAt).filter((at) => at !== undefined));
    for (const step of change.relationships) keep(this.#relationships, step, ({ trustDomain }) => trustDomain);
    for (const step of change.bundles) keep(this.#bundles, step, ({ bundle }) => bundle.trustDomain);
    for (const step of change.audiences) keep(this.#audiences, step, ({ name }) => name);
    if (change.audiences.length > 0) this.#audienceIndex = indexOf(this.#audiences);
  }

  entitled(selectors: ReadonlySet<Selector>, at: number): Entry[] {
    return this.#entitlements
      .matching(selectors)
      .filter((entry) => this.#hindrance(entry, at) === undefined)
      .sort(byAge);
  }

  near(selectors: ReadonlySet<Selector>, limit: number, at: number): NearMiss[] {
    return nearMisses(this.#inOrder(), selectors, limit, (entry) => this.#hindrance(entry, at));
  }

  wants(prefix: string): boolean {
    return this.#prefixes.of(prefix) > 0;
  }

  nextExpiry(after: number): number | undefined {
    return this.#expiries.next(after);
  }

  person = (id: string): Person | undefined => this.#people.get(id);
  people = (): Person[] => [...this.#people.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  entry = (id: string): Entry | undefined => this.#entries.get(id);
  relationships = (): Relationship[] => [...this.#relationships.values()].sort(byName);
  relationship = (name: TrustDomain): Relationship | undefined => this.#relationships.get(name);
  bundles = (): ForeignBundle[] => [...this.#bundles.values()].sort((a, b) => byName(a.bundle, b.bundle));
  bundle = (name: TrustDomain): ForeignBundle | undefined => this.#bundles.get(name);

  /** Presets, and what operators say in their place or beside them. */
  audiences = (): AudienceIndex => this.#audienceIndex;
  /** What operators said, alone. */
  setAudience = (name: string): AudiencePolicy | undefined => this.#audiences.get(name);

  list(filter: EntryFilter): Entry[] {
    const found = this.#inOrder().filter((entry) => accepts(filter, entry));
    return filter.limit ? found.slice(0, filter.limit) : found;
  }

  count(filter: EntryFilter): number {
    const { owner, spiffeId, selectors = [] } = filter;
    if (spiffeId !== undefined || selectors.length > 0) return this.list({ ...filter, limit: 0 }).length;
    return owner === undefined ? this.#entries.size : this.#owned.of(owner);
  }

  #hindrance(entry: Entry, at: number): 'expired' | 'owner-disabled' | undefined {
    if (entry.expiresAt !== undefined && entry.expiresAt <= at) return 'expired';
    return this.#people.get(entry.owner)?.enabled ? undefined : 'owner-disabled';
  }

  /** Insertion order is nearly this order already: only entries of one millisecond, or a clock set back, differ. */
  #inOrder(): Entry[] {
    return [...this.#entries.values()].sort(byAge);
  }

  #file(entry: Entry): void {
    this.#entries.set(entry.id, entry);
    this.#entitlements.add(entry);
    this.#countIn(entry, 1);
  }

  #unfile(entry: Entry): void {
    this.#entitlements.remove(entry);
    this.#countIn(entry, -1);
    if (entry.expiresAt !== undefined) this.#expiries.remove(entry.expiresAt);
  }

  #countIn(entry: Entry, by: 1 | -1): void {
    this.#owned.add(entry.owner, by);
    for (const selector of entry.selectors) for (const prefix of prefixesOf(selector)) this.#prefixes.add(prefix, by);
  }
}

/** WA-31: the oldest entry first, so that what a workload calls its default identity does not move. */
export const byAge = (a: Entry, b: Entry): number => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1);

function indexOf(set: ReadonlyMap<string, AudiencePolicy>): AudienceIndex {
  const own = [...set.values()].filter(({ name }) => !audiencePresets.some((preset) => preset.name === name));
  return new AudienceIndex([...audiencePresets.map((preset) => set.get(preset.name) ?? preset), ...own]);
}

type Named = { readonly trustDomain: TrustDomain };
const byName = (a: Named, b: Named): number => (a.trustDomain < b.trustDomain ? -1 : 1);

function keep<T, K extends string>(kept: Map<K, T>, { before, after }: Step<T>, nameOf: (one: T) => K): void {
  if (after !== undefined) kept.set(nameOf(after), after);
  else if (before !== undefined) kept.delete(nameOf(before));
}

/** 'unix:sha256:ab' → 'unix:' and 'unix:sha256:': what attestors ask `wants` about. */
function prefixesOf(selector: Selector): string[] {
  const type = selector.indexOf(':') + 1;
  const kind = selector.indexOf(':', type) + 1;
  return kind === 0 ? [selector.slice(0, type)] : [selector.slice(0, type), selector.slice(0, kind)];
}

const accepts = ({ spiffeId, owner, selectors = [] }: EntryFilter, entry: Entry): boolean =>
  (spiffeId === undefined || entry.spiffeId === spiffeId) &&
  (owner === undefined || entry.owner === owner) &&
  selectors.every((selector) => (entry.selectors as readonly string[]).includes(selector));
