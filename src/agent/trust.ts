/** Whom a process may believe: our own trust domain, and of the foreign ones those that its entries name, and no other. */
import type { Authority, CrlSet } from '../authority/authority.ts';
import type { ForeignTrust, RegistryChange } from '../registry/registry.ts';
import type { Bundle } from '../spiffe/bundle.ts';
import type { Entry } from '../spiffe/entry.ts';
import type { TrustDomain } from '../spiffe/id.ts';

export interface TrustView {
  readonly bundle: Bundle;
  /** Of the foreign trust domains that its entries name, those whose bundle is known. */
  readonly federated: readonly Bundle[];
  /** Of our own authorities. */
  readonly crls: CrlSet;
  /** Two of the same bundles have the same. */
  readonly trustVersion: string;
  /** When to look again even if nothing is heard of a change. */
  readonly dueAt: number;
}

export function trustOf(
  entries: readonly Entry[],
  { bundle: own, crls }: Authority,
  foreign: ForeignTrust,
): Omit<TrustView, 'dueAt'> {
  const names = new Set(entries.flatMap(({ federatesWith }) => federatesWith));
  const known = [...names].flatMap((name) => foreign.bundle(name) ?? []);
  const version = known.map(({ bundle, digest }) => `${bundle.trustDomain}=${digest}`);
  return {
    bundle: own.value,
    crls: crls.value,
    federated: known.map(({ bundle }) => bundle),
    trustVersion: [own.value.sequence, ...version].join(),
  };
}

/** The foreign trust domains whose bundle a change replaces, brings or takes away. */
export const trustDomainsIn = ({ bundles }: RegistryChange): ReadonlySet<TrustDomain> =>
  new Set(bundles.flatMap(({ before, after }) => before?.bundle.trustDomain ?? after?.bundle.trustDomain ?? []));

export const federates = (entries: readonly Entry[], names: ReadonlySet<TrustDomain>): boolean =>
  names.size > 0 && entries.some(({ federatesWith }) => federatesWith.some((name) => names.has(name)));
