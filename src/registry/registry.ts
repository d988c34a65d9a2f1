/** Who is owed what: registration entries, and the people answerable for them. */
import type { Clock } from '../runtime/clock.ts';
import type { Random } from '../runtime/random.ts';
import type { AudienceDraft, AudiencePolicy, TokenTerms } from '../spiffe/audience.ts';
import type { Entry, EntryDraft } from '../spiffe/entry.ts';
import type { TrustDomain } from '../spiffe/id.ts';
import type { Selector } from '../spiffe/selector.ts';
import type { EntryFilter, Step } from './contents.ts';
import type { ForeignBundle } from './foreign-bundle.ts';
import { LiveRegistry } from './live-registry.ts';
import type { NearMiss } from './near.ts';
import type { Person, PersonDraft } from './person.ts';
import type { Relationship, RelationshipDraft } from './relationship.ts';

export type { EntryFilter } from './contents.ts';
export { type BundleSource, type ForeignBundle, longestBundleDocument } from './foreign-bundle.ts';
export type { NearMiss } from './near.ts';
export type { Person, PersonDraft } from './person.ts';
export type { EndpointProfile, Relationship, RelationshipDraft } from './relationship.ts';

export interface RegistryOptions {
  /** The database file, in a directory of mode 0700; made when it is missing. */
  readonly path: string;
  /** 32 bytes that seal every row: without them nobody writes a row that this registry believes. */
  readonly key: Buffer;
  readonly clock: Clock;
  readonly random: Random;
  readonly trustDomain: TrustDomain;
  /** The newest `version` that anybody remembers, such as the ledger: an older file is refused as a copy put back. */
  readonly leastVersion?: number;
  /** Puts a change on record: it is committed once this has resolved, and not at all where it rejects. */
  readonly record?: (change: IntendedChange) => Promise<void>;
}

/** A change before it is committed: what the ledger is told first. */
export interface IntendedChange {
  readonly people: readonly { readonly before: Person | undefined; readonly after: Person }[];
  readonly entries: readonly Step<Entry>[];
  readonly relationships: readonly Step<Relationship>[];
  readonly bundles: readonly Step<ForeignBundle>[];
  readonly audiences: readonly Step<AudiencePolicy>[];
  readonly by: Author | undefined;
  /** Of the registry once it is committed. A record of a version that the registry never reached took no effect. */
  readonly version: number;
}

/** Reading is from memory and costs microseconds; writing resolves when the change is on disk and can be read. */
export interface Registry {
  /** Entries whose selectors the caller has all of, not expired at `at`, owner enabled; oldest first (WA-31). */
  entitled(selectors: ReadonlySet<Selector>, at: number): readonly Entry[];
  /** For `explain`: the entries that came nearest to being owed now. */
  near(selectors: ReadonlySet<Selector>, limit: number): readonly NearMiss[];
  /** Does any entry use selectors that begin with `type:` or `type:kind:`, such as 'unix:sha256:'? */
  wants(prefix: string): boolean;
  /** When the next entry expires after `after`; undefined when none will. */
  nextExpiry(after: number): number | undefined;
  /** After each commit, in order, before the promise of the one who asked for it resolves. */
  onChange(listener: (change: RegistryChange) => void): Disposable;

  addPerson(draft: PersonDraft, by?: Author): Promise<Person>;
  people(): readonly Person[];
  person(id: string): Person;
  setPersonEnabled(id: string, enabled: boolean, by?: Author): Promise<Person>;

  /** All of them in one transaction, or none; in the order given, which is also the order of age. */
  createEntries(drafts: Iterable<EntryDraft>, by?: Author): Promise<CreatedEntries>;
  entry(id: string): Entry;
  list(filter?: EntryFilter): readonly Entry[];
  count(filter?: EntryFilter): number;
  /** Replaces the fields that `patch` names. */
  updateEntry(id: string, patch: Partial<EntryDraft>, by?: Author): Promise<UpdatedEntry>;
  deleteEntry(id: string, by?: Author): Promise<Entry>;

  readonly foreign: ForeignTrust;
  readonly audiences: Audiences;

  /** How many changes were ever committed: to be remembered elsewhere, see `leastVersion`. */
  readonly version: number;
  /** Waits for the write that is under way. */
  close(): Promise<void>;
}

/** Audiences outside SPIFFE: presets, and what operators say in their place or beside them. */
export interface Audiences {
  list(): readonly KnownAudience[];
  audience(name: string): KnownAudience;
  /** What a token for all of these must be. */
  terms(audience: readonly string[]): TokenTerms;
  /** Replaces what was said under that name. */
  set(draft: AudienceDraft, by?: Author): Promise<KnownAudience>;
  /** A preset is as it was; one's own is gone. */
  delete(name: string, by?: Author): Promise<KnownAudience>;
}

export interface KnownAudience {
  readonly policy: AudiencePolicy;
  readonly source: 'preset' | 'changed' | 'own';
}

/** Foreign trust domains: the ways by which their bundles are learned, and the bundles, each under its own name. */
export interface ForeignTrust {
  relationships(): readonly Relationship[];
  relationship(name: string): Relationship;
  bundles(): readonly ForeignBundle[];
  bundle(name: TrustDomain): ForeignBundle | undefined;

  /** @param document the bundle to begin with, in SPIFFE format */
  create(draft: RelationshipDraft, document?: string, by?: Author): Promise<Relationship>;
  update(name: string, patch: Partial<RelationshipDraft>, by?: Author): Promise<Relationship>;
  /** With the bundle that was learned by it. */
  delete(name: string, by?: Author): Promise<Relationship>;

  /** What an operator says; with a relationship, until the next fetch. */
  setBundle(name: string, document: string, by?: Author): Promise<ForeignBundle>;
  deleteBundle(name: string, by?: Author): Promise<ForeignBundle>;
  /** What was fetched by a relationship as it still stands. One that is older than what is stored is refused. */
  takeBundle(from: Relationship, document: string): Promise<TakenBundle>;
}

export interface TakenBundle {
  readonly bundle: ForeignBundle;
  readonly changed: boolean;
}

/** What one transaction changed. Without `before` an entry is new, without `after` it is gone. */
export interface RegistryChange {
  readonly entries: readonly Step<Entry>[];
  /** People who were added, enabled or disabled. */
  readonly people: readonly string[];
  /** The people of this change are new. */
  readonly added: boolean;
  readonly relationships: readonly Step<Relationship>[];
  readonly bundles: readonly Step<ForeignBundle>[];
  readonly audiences: readonly Step<AudiencePolicy>[];
  readonly by: Author | undefined;
}

/** Who asked for a change, as the kernel says; passed through to the listeners. */
export interface Author {
  readonly actorUid?: number | undefined;
  readonly actorPid?: number | undefined;
}

export interface CreatedEntries {
  readonly entries: readonly Entry[];
  readonly warnings: readonly EntryWarning[];
}

export interface UpdatedEntry {
  readonly entry: Entry;
  readonly warnings: readonly EntryWarning[];
}

export interface EntryWarning {
  readonly entryId: string;
  readonly text: string;
}

export const openRegistry = (options: RegistryOptions): Promise<Registry> => LiveRegistry.open(options);
