/** One attested running process, and what it holds: its own keys, its own serials, its own tokens. Nobody shares them. */

import type { PeerProcess } from '../runtime/peer.ts';
import type { Wake } from '../runtime/watch.ts';
import type { TokenTerms } from '../spiffe/audience.ts';
import type { Entry } from '../spiffe/entry.ts';
import type { Selector } from '../spiffe/selector.ts';
import type { Facts } from '../spiffe/template.ts';
import type { X509View } from './identities.ts';
import { Kept } from './kept.ts';

export interface HeldX509Svid {
  readonly entry: Entry;
  /** Leaf first, concatenated DER, without the root. */
  readonly chain: Buffer;
  /** PKCS#8, DER. */
  readonly privateKey: Buffer;
  readonly serial: string;
  /** Who signed it. */
  readonly authority: string;
  readonly notBefore: number;
  readonly notAfter: number;
  /** Drawn once, with its jitter, when the SVID was made. */
  readonly renewAt: number;
}

export interface HeldJwtSvid {
  readonly entry: Entry;
  readonly token: string;
  readonly jti: string;
  /** Who signed it. */
  readonly authority: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** Served again until then: half its life. */
  readonly reuseUntil: number;
}

/** One of either kind, by what it is known by. */
export interface HeldSvid {
  readonly entry: Entry;
  readonly jti?: string;
  readonly serial?: string;
}

export interface Attestation {
  readonly selectors: ReadonlySet<Selector>;
  /** Were executables hashed? Once an entry asks for that, an attestation without it is stale. */
  readonly hashed: boolean;
  readonly at: number;
}

/** A clock that is set back by more than this has made of what was issued before something of the future. */
const skewMs = 10_000;
/** Tokens one process may hold at one time; the oldest is forgotten first. */
const tokenLimit = 256;

export class Instance {
  readonly id: string;
  readonly process: PeerProcess;
  /** Rung when what this process is owed may have changed; one bell per open stream. */
  readonly bells = new Set<Wake>();
  readonly x509 = new Map<string, HeldX509Svid>();
  readonly #tokens = new Map<string, HeldJwtSvid>();
  attestation: Attestation | undefined;
  /** What all of its streams are sent. */
  readonly view = new Kept<X509View>();
  /** The entries that the last grant was recorded for, so that each decision is one record. */
  granted = '';
  #turn: Promise<unknown> = Promise.resolve();

  constructor(id: string, process: PeerProcess) {
    this.id = id;
    this.process = process;
  }

  /** Runs `work` after whatever this process already waits for: two streams of one process never issue twice. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** Has it an SVID by somebody whose signatures are not to be held on to? */
  outlived(standing: ReadonlySet<string>): boolean {
    for (const { authority } of this.x509.values()) if (!standing.has(authority)) return true;
    return false;
  }

  ring(): void {
    for (const bell of this.bells) bell.ring();
  }

  /** @param standing who may have signed it */
  token(key: string, entry: Entry, now: number, standing: ReadonlySet<string>): HeldJwtSvid | undefined {
    const held = this.#tokens.get(key);
    const good = held !== undefined && held.entry.revision === entry.revision && standing.has(held.authority);
    return good && now < held.reuseUntil && held.issuedAt - skewMs <= now ? held : undefined;
  }

  /** The SVID of that name, if this very process was given it and still holds it. */
  svid({ jti, serial }: { readonly jti?: string; readonly serial?: string }): HeldSvid | undefined {
    if (jti !== undefined) return [...this.#tokens.values()].find((held) => held.jti === jti);
    const plain = plainSerial(serial ?? '');
    return [...this.x509.values()].find((held) => plainSerial(held.serial) === plain);
  }

  keepToken(key: string, held: HeldJwtSvid): void {
    this.#tokens.delete(key);
    this.#tokens.set(key, held);
    if (this.#tokens.size > tokenLimit) this.#tokens.delete(this.#tokens.keys().next().value ?? '');
  }

  /** Forgets every token; the next call signs anew. */
  dropTokens(): void {
    this.#tokens.clear();
  }
}

/** Programs print a serial number with a zero in front or without. */
const plainSerial = (serial: string): string => serial.toLowerCase().replace(/^0+/, '');

/** Who holds a credential, for the ledger: facts of the kernel only. */
export const subjectOf = ({ id, process }: Instance) => ({
  instance: id,
  pid: process.pid,
  startTime: Number(process.startTime),
  uid: process.ids.uid,
  gid: process.ids.gid,
});

/** Facts of the kernel that a claim may name. */
export const factsOf = ({ id, process }: Instance): Facts => ({
  instance: id,
  uid: String(process.ids.uid),
  gid: String(process.ids.gid),
});

/** Every input that shapes a token, each with its length before it, so that no two lists spell the same key (R-ISS-6). */
export const tokenKey = (entry: Entry, audience: readonly string[], terms: TokenTerms): string =>
  [entry.id, terms.key, ...[...audience].sort()].map((part) => `${part.length}:${part}`).join('');
