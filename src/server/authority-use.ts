/** What hangs on an authority: from the ledger, which has every credential that was ever released. */
import type { LedgerEvent } from '../ledger/ledger.ts';
import type { OrderParts } from './authority-orders.ts';

export interface AuthorityUse {
  /** Signed by it and not expired. */
  readonly credentials: number;
  /** Theirs; no more than can be read. */
  readonly spiffeIds: readonly string[];
  /** Open streams that hold an X.509-SVID by it. */
  readonly streams: number;
  /** When the last of them ends; undefined where it signed nothing that is valid. */
  readonly until: number | undefined;
}

const mostNames = 100;

/** A ledger whose beginning was archived may not have all: then only the end of the authority's own life is certain. */
export async function useOf(
  id: string | undefined,
  { ledger, authority, streams, clock }: Pick<OrderParts, 'ledger' | 'authority' | 'streams' | 'clock'>,
): Promise<AuthorityUse> {
  if (id === undefined) return { credentials: 0, spiffeIds: [], streams: 0, until: undefined };
  const now = clock.now();
  const names = new Set<string>();
  let [credentials, until, complete] = [0, 0, false];
  for await (const { event } of ledger.query({ authority: id })) {
    complete ||= event.kind === 'authority.prepared';
    const end = endOf(event);
    if (end === undefined || end <= now) continue;
    credentials += 1;
    until = Math.max(until, end);
    if ('spiffeId' in event && names.size < mostNames) names.add(event.spiffeId);
  }
  const itself = authority.authorities().find((one) => one.id === id);
  if (!complete) until = itself?.expiresAt ?? until;
  const own = { credentials, spiffeIds: [...names], streams: streams.holding(id) };
  return { ...own, until: until > now ? until : undefined };
}

function endOf(event: LedgerEvent): number | undefined {
  if (event.kind === 'x509-svid.issued') return event.notAfter;
  if (event.kind === 'jwt-svid.issued') return event.expiresAt;
  // What is below it ends with it.
  if (event.kind === 'downstream.certified') return event.notAfter;
  return undefined;
}
