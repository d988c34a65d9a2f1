/** What a process is, as its agent says it: where tokens and certificates for relying parties come from. */
import type { KeyObject } from 'node:crypto';
import type { IdentityError } from '../errors.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/id.ts';

export interface Token {
  readonly id: SpiffeId;
  readonly token: string;
  readonly issuedAt: number | undefined;
  readonly expiresAt: number;
}

export interface TokenRequest {
  readonly audience: string;
  /** The first of ours where absent. */
  readonly spiffeId?: string | undefined;
}

export interface X509Identity {
  readonly id: SpiffeId;
  readonly hint: string;
  /** DER, leaf first. */
  readonly certificates: readonly Buffer[];
  readonly privateKey: KeyObject;
  readonly notAfter: number;
}

export interface X509State {
  readonly svids: readonly X509Identity[];
  /** Authorities, DER, of our own trust domain and of those that we are to believe. */
  readonly bundles: ReadonlyMap<TrustDomain, readonly Buffer[]>;
}

export interface Identities {
  /** A fresh one. @throws IdentityError 'permission-denied' where none is owed */
  token(request: TokenRequest, signal: AbortSignal): Promise<Token>;
  /** Now and whenever it changes, until aborted. `onError` hears of what is tried again. */
  x509(signal: AbortSignal, onError: (error: IdentityError) => void): AsyncIterable<X509State>;
}
