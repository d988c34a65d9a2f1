/** What the journal says, as the world is told it. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import type { Bundle } from '../spiffe/bundle.ts';
import type { TrustDomain } from '../spiffe/id.ts';
import type { AuthorityRecord, Journal } from './journal.ts';
import type { JwtKey } from './nested/trust.ts';
import type { AuthorityKind } from './rotation.ts';

export interface Published {
  readonly trustDomain: TrustDomain;
  readonly journal: Journal;
  readonly refreshHintSeconds: number;
}

export const ofKind = (authorities: readonly AuthorityRecord[], kind: AuthorityKind): readonly AuthorityRecord[] =>
  authorities.filter((authority) => authority.kind === kind);

/**
 * Everything the journal knows, in the order in which it was prepared: who is active is not the bundle's business. Then
 * what belongs to issuers below, then what the one above publishes.
 */
export function bundleOf({ trustDomain, journal, refreshHintSeconds }: Published): Bundle {
  const { authorities, sequence, below, above } = journal.content;
  const jwtKeys = [...signersOfTokens(authorities), ...below, ...(above?.jwtKeys ?? [])];
  return {
    trustDomain,
    x509Authorities: distinct([
      ...authorities.flatMap(
        ({ certificate, upstream }) => upstream?.roots ?? (certificate === undefined ? [] : [certificate]),
      ),
      ...(above?.x509Authorities ?? []),
    ]),
    jwtAuthorities: distinctKeys(jwtKeys).map(({ id, publicKey }) => ({
      keyId: id,
      publicKey: keyOf(publicKey),
    })),
    sequence,
    refreshHintSeconds,
  };
}

export const signersOfTokens = (authorities: readonly AuthorityRecord[]): readonly AuthorityRecord[] =>
  authorities.filter(({ kind }) => kind !== 'x509');

export const keyOf = (publicKey: Buffer): KeyObject => createPublicKey({ key: publicKey, format: 'der', type: 'spki' });

/** Authorities below one root have it in common. */
const distinct = (certificates: readonly Buffer[]): readonly Buffer[] =>
  certificates.filter((one, index) => certificates.findIndex((other) => other.equals(one)) === index);

/** Ours stand above, too. */
const distinctKeys = (keys: readonly JwtKey[]): readonly JwtKey[] =>
  [...new Map(keys.toReversed().map((key) => [key.id, key])).values()].toReversed();

/** Ids of those whose signatures may be held on to. */
export const standingOf = ({ journal }: Pick<Published, 'journal'>): ReadonlySet<string> =>
  new Set(journal.content.authorities.flatMap(({ id, state }) => (state === 'tainted' ? [] : [id])));
