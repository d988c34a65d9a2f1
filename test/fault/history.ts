/** What the runner did to one issuer and what it was told: one line for each event, before it happens or once it has. */
import { closeSync, openSync, writeSync } from 'node:fs';

export interface EntryState {
  readonly id: string;
  readonly spiffeId: string;
  readonly selectors: readonly string[];
  readonly owner: string;
  readonly description: string;
  readonly hint: string;
  readonly audiences: readonly string[];
  readonly x509SvidTtl: number;
  readonly jwtSvidTtl: number;
  /** Milliseconds; 0: never. */
  readonly expiresAt: number;
  readonly revision: number;
}

export interface PersonState {
  readonly id: string;
  readonly enabled: boolean;
}

/** An order to the admin API. `description` of an entry names the order that shaped it. */
export type Order =
  | { readonly do: 'create-entry'; readonly entry: Omit<EntryState, 'id' | 'revision'> }
  | { readonly do: 'update-entry'; readonly id: string; readonly description: string; readonly hint: string }
  | { readonly do: 'delete-entry'; readonly id: string }
  | { readonly do: 'add-person'; readonly person: string }
  | { readonly do: 'set-person'; readonly person: string; readonly enabled: boolean }
  /** By a serial number or a `jti`. */
  | { readonly do: 'revoke'; readonly credential: string }
  | { readonly do: 'taint'; readonly use: 'x509' | 'jwt' }
  | { readonly do: 'archive' };

export type HistoryEvent =
  /** The issuer was started. Its clock is so far ahead of the real one. */
  | { readonly t: 'start'; readonly aheadMs: number }
  /**
   * Of that time it waited for a processor that others used, which says nothing of the issuer. `load`: how many wanted
   * each processor of this machine.
   */
  | { readonly t: 'ready'; readonly tookMs: number; readonly waitedMs: number; readonly load: number }
  | { readonly t: 'end'; readonly code: number | null; readonly signal: string | null }
  | { readonly t: 'clock'; readonly aheadMs: number }
  /** After a stop. */
  | { readonly t: 'resumed' }
  | { readonly t: 'fault'; readonly kind: string; readonly what: string }
  | ({ readonly t: 'ask'; readonly op: number } & Order)
  | { readonly t: 'done'; readonly op: number; readonly entry?: EntryState }
  | { readonly t: 'refused'; readonly op: number; readonly code: number; readonly text: string }
  /** What the issuer says it holds. */
  | {
      readonly t: 'state';
      readonly entries: readonly EntryState[];
      readonly people: readonly PersonState[];
      /** Serial numbers and `jti`s. */
      readonly revoked: readonly string[];
    }
  | { readonly t: 'bundle'; readonly spiffe: string }
  /** What whoever watches was told, so long after `why`. */
  | {
      readonly t: 'health';
      readonly why: string;
      readonly expected: boolean;
      readonly ready: boolean;
      readonly afterMs: number;
      readonly withinMs: number;
      readonly problems: readonly string[];
    }
  /** What it holds, first once it serves and again when all is over. */
  | { readonly t: 'resources'; readonly descriptors: number; readonly threads: number; readonly residentMib: number }
  /** How long the issuer and its workloads, all in all, could have run while others did. */
  | { readonly t: 'waited'; readonly ms: number };

export type Dated<E> = E extends unknown ? E & { readonly at: number } : never;

export class History {
  readonly #fd: number;

  constructor(path: string) {
    this.#fd = openSync(path, 'a', 0o600);
  }

  write(event: HistoryEvent): void {
    writeSync(this.#fd, `${JSON.stringify({ at: Date.now(), ...event })}\n`);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
