/**
 * What each process is owed, signed and on record. Nothing is answered from here before its ledger record is on disk,
 * and nothing for a state of the registry that has been replaced meanwhile.
 */
import { assertSame, attestWorkload, type WorkloadAttestor } from '../attest/attest.ts';
import type { Authority } from '../authority/authority.ts';
import { IdentityError } from '../errors.ts';
import type { Ledger, RefusalCounter } from '../ledger/ledger.ts';
import type { Registry, RegistryChange } from '../registry/registry.ts';
import type { Clock } from '../runtime/clock.ts';
import { newLeafKey } from '../runtime/leaf-key.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { PeerProcess, Peers } from '../runtime/peer.ts';
import type { Random } from '../runtime/random.ts';
import type { Bundle } from '../spiffe/bundle.ts';
import { audienceAllowed, type Entry, matches } from '../spiffe/entry.ts';
import type { SpiffeId } from '../spiffe/id.ts';
import { type Attestation, type HeldX509Svid, Instance, tokenKey } from './instance.ts';

export interface IdentitiesParts {
  readonly registry: Registry;
  readonly authority: Authority;
  readonly ledger: Ledger;
  readonly refusals: RefusalCounter;
  readonly attestors: readonly WorkloadAttestor[];
  readonly peers: Peers;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
}

/** Everything one message tells a process: complete, in the standard's order, default identity first. */
export interface X509View {
  readonly svids: readonly HeldX509Svid[];
  readonly bundle: Bundle;
}

export interface JwtView {
  readonly entry: Entry;
  readonly token: string;
}

/** Facts of an account (names, groups) may change without the process changing: they are learned anew after this long. */
const attestationMs = 60_000;
/** Renewal is due at half of an SVID's life, give or take this share of it, so that neighbours spread (SE-28). */
const renewalJitter = 0.1;

export class Identities {
  readonly #parts: IdentitiesParts;
  readonly #instances = new Map<PeerProcess, Instance>();
  /** Grows with every change of registry or bundle: an answer computed under an older number is computed again. */
  #version = 0;
  readonly #subscriptions: readonly Disposable[];

  constructor(parts: IdentitiesParts) {
    this.#parts = parts;
    this.#subscriptions = [
      parts.registry.onChange((change) => this.#changed((instance) => affects(change, instance))),
      parts.authority.bundle.onChange(() => this.#changed(() => true)),
    ];
  }

  instance(process: PeerProcess): Instance {
    const known = this.#instances.get(process);
    if (known !== undefined) return known;
    const instance = new Instance(this.#parts.random.uuid(), process);
    this.#instances.set(process, instance);
    return instance;
  }

  /** Call when a process has ended, or its last connection was closed and it holds nothing. */
  forget(process: PeerProcess, reason: 'exited' | 'changed' | 'stopped'): void {
    const instance = this.#instances.get(process);
    if (instance === undefined) return;
    this.#instances.delete(process);
    this.#parts.refusals.ended(process.pid, process.startTime);
    if (instance.granted === '') return;
    this.#parts.peers.release(process);
    this.#record({ kind: 'instance.ended', instance: instance.id, pid: process.pid, reason }).catch(() => undefined);
  }

  /** Without connections, only a process that was granted something is remembered, until it ends. */
  disconnected(process: PeerProcess): void {
    if (this.#instances.get(process)?.granted === '') this.forget(process, 'exited');
  }

  /** Every X.509-SVID that the process is owed now, each signed, recorded and not yet due for renewal. */
  x509(instance: Instance): Promise<X509View> {
    return instance.inTurn(() =>
      this.#stable(async () => {
        const entries = uniqueHints(await this.#entitled(instance));
        const svids = await this.#hold(instance, entries);
        return { svids, bundle: this.#parts.authority.bundle.value };
      }),
    );
  }

  /** One JWT-SVID for each identity owed that may have all of `audience`; `only` narrows to one identity. */
  async jwt(instance: Instance, audience: readonly string[], only: SpiffeId | undefined): Promise<JwtView[]> {
    return this.#stable(async () => {
      const owed = uniqueHints(await this.#entitled(instance));
      const asked = owed.filter((entry) => only === undefined || entry.spiffeId === only);
      const allowed = asked.filter((entry) => audience.every((value) => audienceAllowed(entry, value)));
      if (allowed.length === 0) throw this.#refuse(instance, asked.length === 0 ? 'no-entry' : 'audience-not-allowed');
      return Promise.all(
        allowed.map(async (entry) => ({ entry, token: await this.#token(instance, entry, audience) })),
      );
    });
  }

  /** The bundle, for a process that is owed at least one identity. */
  async bundle(instance: Instance): Promise<Bundle> {
    await this.#stable(() => this.#entitled(instance));
    return this.#parts.authority.bundle.value;
  }

  /** The moment at which what `view` holds must be looked at again. */
  dueAt(view: X509View): number {
    return view.svids.reduce((due, { renewAt, entry }) => Math.min(due, renewAt, entry.expiresAt ?? due), Infinity);
  }

  close(): void {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
    for (const process of [...this.#instances.keys()]) this.forget(process, 'stopped');
  }

  #changed(concerned: (instance: Instance) => boolean): void {
    this.#version += 1;
    for (const instance of this.#instances.values())
      if (instance.bells.size > 0 && concerned(instance)) instance.ring();
  }

  /** Computes until nothing changed under the computation. */
  async #stable<T>(compute: () => Promise<T>): Promise<T> {
    for (;;) {
      const version = this.#version;
      const result = await compute();
      if (version === this.#version) return result;
    }
  }

  async #entitled(instance: Instance): Promise<readonly Entry[]> {
    try {
      const { selectors } = await this.#attested(instance);
      const entries = this.#parts.registry.entitled(selectors, this.#parts.clock.now());
      if (entries.length === 0) throw noIdentity('no-entry');
      await this.#granted(instance, entries, selectors);
      return entries;
    } catch (error) {
      if (error instanceof IdentityError && error.code === 'permission-denied') this.#countRefusal(instance, error);
      throw error;
    }
  }

  async #attested(instance: Instance): Promise<Attestation> {
    const { registry, attestors, clock } = this.#parts;
    const known = instance.attestation;
    const now = clock.now();
    const fresh = known !== undefined && Math.abs(now - known.at) < attestationMs;
    if (fresh && (known.hashed || !registry.wants('unix:sha256:'))) return known;
    const hashed = registry.wants('unix:sha256:');
    const selectors = await attestWorkload(instance.process, attestors, (prefix) => registry.wants(prefix));
    instance.attestation = { selectors, hashed, at: now };
    return instance.attestation;
  }

  /** Each decision is one record: written when a process is first granted, and when what it is granted changes. */
  async #granted(instance: Instance, entries: readonly Entry[], selectors: Attestation['selectors']): Promise<void> {
    const decision = entries.map(({ id, revision }) => `${id}:${revision}`).join();
    if (instance.granted === decision) return;
    if (instance.granted === '') instance.process.retain();
    instance.granted = decision;
    await this.#record({
      kind: 'attestation.granted',
      ...subject(instance),
      selectors: [...selectors],
      entries: entries.map(({ id, revision, spiffeId, owner }) => ({ id, revision, spiffeId, owner })),
    });
  }

  async #hold(instance: Instance, entries: readonly Entry[]): Promise<HeldX509Svid[]> {
    const now = this.#parts.clock.now();
    const kept = new Set(entries.map(({ id }) => id));
    for (const id of instance.x509.keys()) if (!kept.has(id)) instance.x509.delete(id);
    return Promise.all(
      entries.map((entry) => {
        const held = instance.x509.get(entry.id);
        const good = held !== undefined && held.entry.revision === entry.revision && now < held.renewAt;
        return good ? held : this.#issueX509(instance, entry, held);
      }),
    );
  }

  /** A renewal that fails keeps what is still valid; a first issue that fails is the caller's error. */
  async #issueX509(instance: Instance, entry: Entry, held: HeldX509Svid | undefined): Promise<HeldX509Svid> {
    try {
      const svid = await this.#signX509(instance, entry);
      instance.x509.set(entry.id, svid);
      return svid;
    } catch (error) {
      const now = this.#parts.clock.now();
      if (held === undefined || held.entry.revision !== entry.revision || now >= held.notAfter) throw error;
      const retry = { ...held, renewAt: now + retryMs };
      instance.x509.set(entry.id, retry);
      return retry;
    }
  }

  async #signX509(instance: Instance, entry: Entry): Promise<HeldX509Svid> {
    const { authority, random } = this.#parts;
    const key = newLeafKey();
    const issued = await authority.issueX509Svid(entry, key.publicKey);
    await this.#record({
      kind: 'x509-svid.issued',
      ...subject(instance),
      ...grantOf(entry),
      serial: issued.serial,
      notBefore: issued.notBefore,
      notAfter: issued.notAfter,
      authority: issued.authorityId,
    });
    this.#parts.metrics.issued.inc({ type: 'x509' });
    const { chain, serial, notAfter } = issued;
    const renewAt = renewalOf(entry, issued.issuedAt, notAfter, random.fraction());
    return { entry, chain, privateKey: key.privateKey, serial, notAfter, renewAt };
  }

  async #token(instance: Instance, entry: Entry, audience: readonly string[]): Promise<string> {
    const key = tokenKey(entry, audience);
    const known = instance.token(key, entry, this.#parts.clock.now());
    if (known !== undefined) return known;
    const issued = await this.#parts.authority.issueJwtSvid(entry, audience);
    await this.#record({
      kind: 'jwt-svid.issued',
      ...subject(instance),
      ...grantOf(entry),
      jti: issued.jti,
      audience: [...audience],
      expiresAt: issued.expiresAt,
      authority: issued.authorityId,
    });
    this.#parts.metrics.issued.inc({ type: 'jwt' });
    const reuseUntil = issued.issuedAt + (issued.expiresAt - issued.issuedAt) / 2;
    instance.keepToken(key, { entry, token: issued.token, reuseUntil });
    return issued.token;
  }

  #refuse(instance: Instance, reason: string): IdentityError {
    const error = noIdentity(reason);
    this.#countRefusal(instance, error);
    return error;
  }

  #countRefusal({ process }: Instance, error: IdentityError): void {
    const { pid, startTime, ids } = process;
    const reason = error.reason ?? 'refused';
    this.#parts.metrics.refused.inc({ reason });
    this.#parts.refusals.count({ pid, startTime, uid: ids.uid, gid: ids.gid, reason });
  }

  async #record(event: Parameters<Ledger['append']>[0]): Promise<void> {
    await this.#parts.ledger.append(event);
  }
}

/** After a renewal that failed: how long until the next try. */
const retryMs = 5_000;

const noIdentity = (reason: string): IdentityError =>
  new IdentityError('permission-denied', 'no identity issued', { reason });

/** At half of its life, spread by `fraction`; never for one that ends with its entry, because no other would live longer. */
function renewalOf(entry: Entry, issuedAt: number, notAfter: number, fraction: number): number {
  if (entry.expiresAt !== undefined && entry.expiresAt - notAfter <= 1000) return Infinity;
  return issuedAt + ((notAfter - issuedAt) / 2) * (1 + renewalJitter * (2 * fraction - 1));
}

/** Who holds it: facts of the kernel only. */
const subject = ({ id, process }: Instance) => ({
  instance: id,
  pid: process.pid,
  startTime: Number(process.startTime),
  uid: process.ids.uid,
  gid: process.ids.gid,
});

/** Why it was owed, and who answers for that. */
const grantOf = ({ id, revision, spiffeId, owner }: Entry) => ({ entry: id, revision, spiffeId, owner });

/** A non-empty hint is unique in a response: the older entry keeps it, the younger is left out (WA-27). */
function uniqueHints(entries: readonly Entry[]): readonly Entry[] {
  const seen = new Set<string>();
  return entries.filter(({ hint }) => hint === '' || (!seen.has(hint) && seen.add(hint)));
}

function affects(change: RegistryChange, instance: Instance): boolean {
  const selectors = instance.attestation?.selectors;
  if (change.people.length > 0 || selectors === undefined) return true;
  return change.entries.some(({ before, after }) =>
    [before, after].some((entry) => entry !== undefined && (instance.x509.has(entry.id) || matches(entry, selectors))),
  );
}

export { assertSame };
