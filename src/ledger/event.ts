/**
 * What the ledger can say: one kind for each thing that happens. Moments are milliseconds since the epoch; an absent
 * field is left out. Nothing here is a token, a key, a request or a proof: an issued credential is named by its serial
 * number or its jti (SE-24, R-AUD-1).
 */
import type { ErrorCode } from '../errors.ts';
import type { CrlReason } from '../x509/crl.ts';

/** The kernel's facts about a process. `startTime` (clock ticks after boot) tells two holders of one pid apart. */
export interface ProcessFacts {
  readonly pid: number;
  readonly startTime?: number | undefined;
  readonly uid: number;
  readonly gid: number;
  readonly path?: string | undefined;
  readonly sha256?: string | undefined;
  readonly cgroup?: string | undefined;
}

/** An attested process. One instance id from the grant to the end, so that every credential leads to its evidence. */
export interface Subject extends ProcessFacts {
  readonly instance: string;
  readonly selectors?: readonly string[] | undefined;
}

/** Why it was owed, and who answers for that. */
export interface Grounds {
  readonly entry: string;
  readonly revision: number;
  readonly spiffeId: string;
  readonly owner: string;
}

/** An SVID is exchanged for a credential of somebody else's: by whom and with which one, as we know it. */
export interface Exchange extends Grounds {
  /** What leads back here from the relying party's own log: it stands in the session's name there. */
  readonly exchange: string;
  readonly jti?: string | undefined;
  readonly serial?: string | undefined;
}

/** What the process says it is about to do. Its own words: nothing is decided by them. */
export interface StatedIntent {
  readonly target: string;
  readonly endpoint: string;
  readonly role?: string | undefined;
}

/** What the process says it obtained. */
export interface StatedGain {
  readonly principal?: string | undefined;
  /** What it is known by, never the secret. */
  readonly credential?: string | undefined;
  readonly expiresAt?: number | undefined;
}

/** Who gave an order: the caller of the admin socket, or mayfly itself where it is absent. */
export interface Actor {
  readonly actorUid?: number | undefined;
  readonly actorPid?: number | undefined;
}

/** A change of the registry, written before it is committed. */
export interface RegistryStep extends Actor {
  /** The version that the registry has once the change is committed. */
  readonly registryVersion: number;
}

/** An entry as it was before or after a change. The value is written as JSON writes it. */
export interface EntryChange extends RegistryStep {
  readonly entry: string;
  readonly spiffeId: string;
  readonly owner: string;
}

/** A bundle of a foreign trust domain. `digest` is SHA-256 of what it says, in hex. */
export interface BundleChange extends RegistryStep {
  readonly trustDomain: string;
  readonly source: 'endpoint' | 'operator';
  readonly digest: string;
  /** As text: it has 64 bits. */
  readonly sequence?: string | undefined;
  readonly x509Authorities: number;
  readonly jwtAuthorities: number;
}

/** From where a foreign trust domain's bundle is taken, and on whose word. */
export interface FederationChange extends RegistryStep {
  readonly trustDomain: string;
}

/** What tokens for an audience outside SPIFFE must be. */
export interface AudienceChange extends RegistryStep {
  readonly name: string;
}

export interface AuthorityStep extends Actor {
  /** The key's id: what `authority` names in every record of something it signed. */
  readonly authority: string;
  readonly use: 'x509' | 'jwt' | 'jwt-rsa';
  readonly notBefore?: number | undefined;
  readonly notAfter?: number | undefined;
  readonly reason?: string | undefined;
}

export type LedgerEvent =
  | {
      readonly kind: 'mayfly.started';
      readonly version: string;
      readonly trustDomain: string;
      readonly pid: number;
      /** Recorded changes of a higher version that stand before this record took no effect. */
      readonly registryVersion: number;
      /** A test could make it fail at will, see runtime/failpoint.ts. */
      readonly failpoints?: true | undefined;
    }
  | { readonly kind: 'mayfly.stopped'; readonly reason: string }
  | ({
      readonly kind: 'config.reloaded';
      /** Names of settings, never their values. */
      readonly changed: readonly string[];
      readonly needRestart: readonly string[];
    } & Partial<Actor>)
  | ({
      /** What the record before it of a reading says has changed, and could not be had. */
      readonly kind: 'config.not-in-effect';
      readonly settings: readonly string[];
    } & Partial<Actor>)
  | ({
      readonly kind: 'attestation.granted';
      readonly entries: readonly { id: string; revision: number; spiffeId: string; owner: string }[];
    } & Subject)
  | AttestationRefused
  | ({
      readonly kind: 'x509-svid.issued';
      /** Lower-case hexadecimal. */
      readonly serial: string;
      readonly notBefore: number;
      readonly notAfter: number;
      readonly authority: string;
    } & Subject &
      Grounds)
  | ({
      readonly kind: 'jwt-svid.issued';
      readonly jti: string;
      readonly audience: readonly string[];
      readonly issuedAt?: number | undefined;
      readonly expiresAt: number;
      readonly authority: string;
    } & Subject &
      Grounds)
  | CredentialRevoked
  | ({ readonly kind: 'exchange.begun'; readonly stated: StatedIntent } & Exchange & Subject)
  | ({ readonly kind: 'exchange.obtained'; readonly stated: StatedIntent & StatedGain } & Exchange & Subject)
  | ({ readonly kind: 'exchange.failed'; readonly stated: StatedIntent & { readonly failure: string } } & Exchange &
      Subject)
  | { readonly kind: 'instance.ended'; readonly instance: string; readonly pid: number; readonly reason: string }
  | ({ readonly kind: 'entry.created'; readonly after: object } & EntryChange)
  | ({ readonly kind: 'entry.updated'; readonly before: object; readonly after: object } & EntryChange)
  | ({ readonly kind: 'entry.deleted'; readonly before: object } & EntryChange)
  | ({ readonly kind: 'person.added'; readonly person: string; readonly name?: string | undefined } & RegistryStep)
  | ({ readonly kind: 'person.enabled' | 'person.disabled'; readonly person: string } & RegistryStep)
  | ({ readonly kind: 'federation.created'; readonly after: object } & FederationChange)
  | ({ readonly kind: 'federation.updated'; readonly before: object; readonly after: object } & FederationChange)
  | ({ readonly kind: 'federation.deleted'; readonly before: object } & FederationChange)
  | ({ readonly kind: 'audience.set'; readonly before?: object | undefined; readonly after: object } & AudienceChange)
  | ({ readonly kind: 'audience.deleted'; readonly before: object } & AudienceChange)
  | ({ readonly kind: 'bundle.stored' | 'bundle.deleted' } & BundleChange)
  | ({ readonly kind: `authority.${AuthorityVerb}` } & AuthorityStep)
  | ({
      readonly kind: 'downstream.certified';
      /** Ours that signed it, the one below by its id there, and the certificate's serial number. */
      readonly authority: string;
      readonly below: string;
      readonly serial: string;
      readonly notBefore: number;
      readonly notAfter: number;
      readonly levelsBelow: number;
    } & Actor)
  | ({ readonly kind: 'downstream.key-published'; readonly below: string; readonly expiresAt: number } & Actor)
  | ({ readonly kind: 'downstream.key-removed'; readonly below: string; readonly reason: string } & Actor)
  | {
      readonly kind: 'upstream.heard';
      readonly from: string;
      readonly x509Authorities: number;
      readonly jwtKeys: number;
    }
  | ({
      readonly kind: 'admin.call';
      readonly method: string;
      readonly outcome: Outcome;
      readonly about?: string;
    } & Actor)
  | LedgerOwnEvent;

/** What a credential that was issued is known by, and whose it is. */
export interface CredentialFacts {
  readonly spiffeId: string;
  readonly entry: string;
  readonly owner: string;
  readonly authority: string;
  readonly serial?: string | undefined;
  readonly jti?: string | undefined;
  readonly expiresAt: number;
}

/** Taken back before its end. Until it has ended, this record is the memory of that. */
export type CredentialRevoked = {
  readonly kind: 'credential.revoked';
  readonly revokedAt: number;
  readonly reason: CrlReason;
} & CredentialFacts &
  Actor;

export type AuthorityVerb = 'prepared' | 'activated' | 'retired' | 'tainted' | 'revoked' | 'removed';
export type Outcome = 'ok' | 'internal' | ErrorCode;

/**
 * Refusals, counted (`RefusalCounter`): of one process, or, where `pid` is absent, of a user who started too many, or,
 * where `uid` is absent too, of everybody beyond the limits.
 */
export type AttestationRefused = {
  readonly kind: 'attestation.refused';
  readonly count: number;
  /** How often for which reason; the sum is `count`. */
  readonly reasons: Readonly<Record<string, number>>;
  readonly firstAt: number;
  readonly lastAt: number;
} & Partial<ProcessFacts>;

/** What the ledger writes about itself. */
export type LedgerOwnEvent =
  | { readonly kind: 'ledger.segment'; readonly segment: number }
  | {
      readonly kind: 'ledger.archived';
      readonly segment: number;
      readonly firstSeq: number;
      readonly lastSeq: number;
      readonly lastHash: string;
      /** Where it went; absent = dropped for good. */
      readonly directory?: string | undefined;
    }
  | {
      readonly kind: 'ledger.recovered';
      /** The last record that was sealed by the head when the process before this one ended. */
      readonly headSeq: number;
      /** Whole records found after it, and kept. */
      readonly adopted: number;
      /** Bytes of an unfinished write after those, never acknowledged; kept beside the segment under `keptAs`. */
      readonly cutBytes: number;
      readonly keptAs?: string | undefined;
    }
  /** There was no room on the disk from `since` on, and so many records were refused for that. */
  | { readonly kind: 'ledger.resumed'; readonly since: number; readonly refused: number };

export type LedgerKind = LedgerEvent['kind'];
