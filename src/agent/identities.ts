/**
 * What each process is owed, as a stream of complete views. An answer that was computed while the registry or the
 * bundle changed is computed again: nothing leaves for a state that has been replaced.
 */
import { assertSame, attestWorkload, type WorkloadAttestor } from '../attest/attest.ts';
import { IdentityError } from '../errors.ts';
import type { RefusalCounter } from '../ledger/ledger.ts';
import type { Registry, RegistryChange } from '../registry/registry.ts';
import { onJump } from '../runtime/clock.ts';
import { failpoint } from '../runtime/failpoint.ts';
import type { PeerProcess, Peers } from '../runtime/peer.ts';
import type { Bundle } from '../spiffe/bundle.ts';
import { audienceAllowed, type Entry, matches } from '../spiffe/entry.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/id.ts';
import { type Attestation, type HeldSvid, type HeldX509Svid, Instance, subjectOf } from './instance.ts';
import { Issuance, type IssuanceParts } from './issuance.ts';
import { federates, type TrustView, trustDomainsIn, trustOf } from './trust.ts';

export interface IdentitiesParts extends Omit<IssuanceParts, 'audiences'> {
  readonly registry: Registry;
  readonly refusals: RefusalCounter;
  readonly attestors: readonly WorkloadAttestor[];
  readonly peers: Peers;
}

/** Everything one message tells a process: complete, in the standard's order, default identity first. */
export interface X509View extends TrustView {
  readonly svids: readonly HeldX509Svid[];
  /** When the first of them ends. */
  readonly endsAt: number;
}

/** Undefined: nobody there can be judged. */
export interface JudgedBy {
  readonly bundle: Bundle | undefined;
  readonly own: boolean;
}

export interface JwtView {
  readonly entry: Entry;
  readonly token: string;
}

/** Facts of an account (names, groups) may change without the process changing: they are learned anew after this long. */
const attestationMs = 60_000;

/** A key and a signature take some 150 µs: at this pace half of a processor is left for everybody else. */
const replacedAtOnce = 32;
const replacedEveryMs = 10;

export class Identities {
  readonly #parts: IdentitiesParts;
  readonly #issuance: Issuance;
  readonly #instances = new Map<PeerProcess, Instance>();
  /** Grows with every change of registry or bundle. */
  #version = 0;
  readonly #subscriptions: readonly Disposable[];

  constructor(parts: IdentitiesParts) {
    this.#parts = parts;
    this.#issuance = new Issuance({
      ...parts,
      audiences: parts.registry.audiences,
      assertSame: (instance) => this.assertSame(instance),
    });
    this.#subscriptions = [
      parts.registry.onChange((change) => this.#registryChanged(change)),
      parts.authority.bundle.onChange(() => this.#changed(() => true)),
      parts.authority.standing.onChange((standing) => this.#replaced(standing)),
      parts.authority.crls.onChange(() => this.#changed(() => true)),
      onJump(parts.clock, () => this.#changed(() => true)),
    ];
  }

  instance(process: PeerProcess): Instance {
    const known = this.#instances.get(process);
    if (known !== undefined) return known;
    const instance = new Instance(this.#parts.random.uuid(), process);
    // A call may begin in the very moment in which its connection ends: nobody would tell us to forget it again.
    if (!process.held) return instance;
    this.#instances.set(process, instance);
    // With or without a connection, a process that ends takes everything it was granted with it (law 3).
    process.onEnded(() => this.forget(process, 'exited'));
    return instance;
  }

  /** Forgets a process and all it held. */
  forget(process: PeerProcess, reason: 'exited' | 'stopped'): void {
    const instance = this.#instances.get(process);
    if (instance === undefined) return;
    this.#instances.delete(process);
    this.#parts.refusals.ended(process.pid, process.startTime);
    this.#ended(instance, reason);
  }

  /** Its last connection is gone and nothing was granted to it: a process with a grant is remembered until it ends. */
  disconnected(process: PeerProcess): void {
    this.forget(process, 'exited');
  }

  /** Every X.509-SVID that the process is owed now, each signed, recorded and not yet due for renewal. */
  x509(instance: Instance): X509View | Promise<X509View> {
    return this.#known(instance) ?? instance.inTurn(async () => this.#known(instance) ?? (await this.#look(instance)));
  }

  /** One JWT-SVID for each identity owed that may have all of `audience`; `only` narrows to one identity. */
  async jwt(instance: Instance, audience: readonly string[], only: SpiffeId | undefined): Promise<JwtView[]> {
    const { views } = await this.#stable(async () => {
      const owed = uniqueHints(await this.#entitled(instance));
      const asked = owed.filter((entry) => only === undefined || entry.spiffeId === only);
      const allowed = asked.filter((entry) => audience.every((value) => audienceAllowed(entry, value)));
      if (allowed.length === 0) throw this.#refused(instance, asked.length === 0 ? 'no-entry' : 'audience-not-allowed');
      const views = await Promise.all(allowed.map((entry) => this.#issuance.jwt(instance, entry, audience)));
      return { views, endsAt: Math.min(...views.map(({ expiresAt }) => expiresAt)) };
    });
    return views;
  }

  /** The SVID of that name, which this very process holds for an identity that it is still owed. */
  async held(instance: Instance, name: { readonly jti?: string; readonly serial?: string }): Promise<HeldSvid> {
    const owed = await this.#entitled(instance);
    const held = instance.svid(name);
    const gone = held === undefined || this.#parts.authority.revocations.has(held);
    if (!gone && owed.some(({ id }) => id === held.entry.id)) return held;
    throw new IdentityError('not-found', 'this process holds no such SVID: fetch one on this socket and name that');
  }

  /** The bundles, for a process that is owed at least one identity. */
  bundles(instance: Instance): Promise<TrustView> {
    const { authority, registry } = this.#parts;
    return this.#stable(async () => {
      const entries = await this.#entitled(instance);
      const dueAt = Math.min(...entries.map(endOf));
      return { ...trustOf(entries, authority, registry.foreign), dueAt, endsAt: dueAt };
    });
  }

  /** By which this process may judge somebody of that trust domain. Our own is for everybody to know. */
  async bundleOf(process: PeerProcess, trustDomain: TrustDomain): Promise<JudgedBy> {
    const { registry, authority, clock } = this.#parts;
    const bundle = authority.bundle.value;
    if (bundle.trustDomain === trustDomain) return { bundle, own: true };
    if (registry.foreign.bundle(trustDomain) === undefined) return { bundle: undefined, own: false };
    const { selectors } = await this.#attested(this.instance(process));
    const known = federates(registry.entitled(selectors, clock.now()), new Set([trustDomain]));
    return { bundle: known ? registry.foreign.bundle(trustDomain)?.bundle : undefined, own: false };
  }

  /** Throws unless the process is what it was when it was decided about. Asked immediately before anything leaves. */
  assertSame(instance: Instance): void {
    try {
      assertSame(instance.process);
    } catch (error) {
      throw this.#refused(instance, error instanceof IdentityError ? (error.reason ?? 'refused') : 'refused', error);
    }
  }

  /** Counts a refusal for the operator. */
  refused({ pid, startTime, ids }: PeerProcess, reason: string): void {
    failpoint('agent.refused');
    this.#parts.metrics.refused.inc({ reason });
    this.#parts.refusals.count({ pid, startTime, uid: ids.uid, gid: ids.gid, reason });
  }

  close(): void {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
    for (const process of [...this.#instances.keys()]) this.forget(process, 'stopped');
  }

  /** Each grant that is on record has its end on record too. */
  #ended(instance: Instance, reason: 'exited' | 'stopped'): void {
    if (instance.granted === '') return;
    instance.granted = '';
    this.#parts.peers.release(instance.process);
    failpoint('agent.instance-ended');
    const { id, process } = instance;
    // Nothing waits for this record; a ledger that cannot take it says so by itself.
    this.#parts.ledger
      .append({ kind: 'instance.ended', instance: id, pid: process.pid, reason })
      .catch(() => undefined);
  }

  #registryChanged(change: RegistryChange): void {
    const { registry, clock } = this.#parts;
    const names = trustDomainsIn(change);
    const owed = ({ attestation }: Instance) => registry.entitled(attestation?.selectors ?? new Set(), clock.now());
    this.#changed((instance) => affects(change, instance) || (names.size > 0 && federates(owed(instance), names)));
  }

  #changed(concerned: (instance: Instance) => boolean): void {
    this.#version += 1;
    for (const instance of this.#instances.values()) {
      if (instance.bells.size > 0 && concerned(instance)) instance.ring();
    }
  }

  /** What an authority signed is not to be held any more: every holder gets anew, some at a time, so that none waits long. */
  #replaced(standing: ReadonlySet<string>): void {
    this.#version += 1;
    const holders = [...this.#instances.values()].filter((one) => one.bells.size > 0 && one.outlived(standing));
    const next = (): void => {
      for (const instance of holders.splice(0, replacedAtOnce)) instance.ring();
      if (holders.length > 0) this.#parts.clock.after(replacedEveryMs, next);
    };
    next();
  }

  #known(instance: Instance): X509View | undefined {
    return instance.view.answer(this.#version, this.#parts.clock.now());
  }

  async #look(instance: Instance): Promise<X509View> {
    const { authority, registry, clock } = this.#parts;
    const at = clock.now();
    const view = await this.#stable(async () => {
      const entries = await this.#entitled(instance);
      const svids = await this.#issuance.x509(instance, uniqueHints(entries));
      const dueAt = Math.min(...svids.map(({ renewAt, entry }) => Math.min(renewAt, endOf(entry))));
      const endsAt = Math.min(...svids.map(({ notAfter }) => notAfter));
      return { svids, ...trustOf(entries, authority, registry.foreign), dueAt, endsAt };
    });
    return instance.view.keep(view, this.#version, at);
  }

  /** Computes until nothing changed under the computation, and nothing in it has ended: it may have been stopped midway. */
  async #stable<T extends { readonly endsAt: number }>(compute: () => Promise<T>): Promise<T> {
    for (;;) {
      const version = this.#version;
      const result = await compute();
      if (version === this.#version && this.#parts.clock.now() < result.endsAt) return result;
    }
  }

  async #entitled(instance: Instance): Promise<readonly Entry[]> {
    const { selectors } = await this.#attested(instance);
    failpoint('agent.attested');
    const now = this.#parts.clock.now();
    const entries = this.#parts.registry.entitled(selectors, now).filter((entry) => now < endOf(entry));
    if (entries.length === 0) throw this.#refused(instance, 'no-entry');
    const decision = entries.map(({ id, revision }) => `${id}:${revision}`).join();
    failpoint('agent.entitled');
    if (instance.granted !== decision) await this.#grant(instance, decision, entries, selectors);
    return entries;
  }

  async #attested(instance: Instance): Promise<Attestation> {
    const { registry, attestors, clock } = this.#parts;
    const known = instance.attestation;
    const hashed = registry.wants('unix:sha256:');
    const at = clock.now();
    if (known !== undefined && Math.abs(at - known.at) < attestationMs && (known.hashed || !hashed)) return known;
    try {
      const selectors = await attestWorkload(instance.process, attestors, (prefix) => registry.wants(prefix));
      instance.attestation = { selectors, hashed, at };
      return instance.attestation;
    } catch (error) {
      throw error instanceof IdentityError ? this.#refused(instance, error.reason ?? 'refused', error) : error;
    }
  }

  /** Each decision is one record: written when a process is first granted, and when what it is granted changes. */
  async #grant(
    instance: Instance,
    decision: string,
    entries: readonly Entry[],
    selectors: Attestation['selectors'],
  ): Promise<void> {
    await this.#parts.ledger.append({
      kind: 'attestation.granted',
      ...subjectOf(instance),
      selectors: [...selectors],
      entries: entries.map(({ id, revision, spiffeId, owner }) => ({ id, revision, spiffeId, owner })),
    });
    failpoint('agent.granted-recorded');
    if (instance.granted === '') instance.process.retain();
    instance.granted = decision;
    if (this.#instances.get(instance.process) === instance) return;
    // It ended, or its last connection did, while that was written.
    this.#ended(instance, 'exited');
    throw this.#refused(instance, 'peer-gone');
  }

  /** To the caller every refusal is the same sentence, which clients in the field know. */
  #refused({ process }: Instance, reason: string, cause?: unknown): IdentityError {
    this.refused(process, reason);
    return new IdentityError('permission-denied', 'no identity issued', { reason, cause });
  }
}

/** Documents count whole seconds: what could be signed in the last one would have ended already. */
const endOf = ({ expiresAt }: Entry): number =>
  expiresAt === undefined ? Infinity : Math.floor((expiresAt - 1) / 1000) * 1000;

/** A non-empty hint is unique in a response: the older entry keeps it, the younger is left out (WA-27). */
function uniqueHints(entries: readonly Entry[]): readonly Entry[] {
  const seen = new Set<string>();
  return entries.filter(({ hint }) => hint === '' || (!seen.has(hint) && seen.add(hint)));
}

/** Might this change what the process is owed? Of people, only those who own something it could be owed; said broadly. */
function affects(change: RegistryChange, instance: Instance): boolean {
  const selectors = instance.attestation?.selectors;
  if (change.people.length > 0 || selectors === undefined) return true;
  return change.entries.some(({ before, after }) =>
    [before, after].some((entry) => entry !== undefined && (instance.x509.has(entry.id) || matches(entry, selectors))),
  );
}
