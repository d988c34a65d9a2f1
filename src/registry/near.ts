import type { Entry } from '../spiffe/entry.ts';
import type { Selector } from '../spiffe/selector.ts';

/** An entry that a caller is not owed, and why not, for `mayfly explain`. */
export interface NearMiss {
  readonly entry: Entry;
  readonly reason: 'missing-selector' | 'expired' | 'owner-disabled';
  /** The first one of the entry that the caller does not have. */
  readonly missingSelector: Selector | undefined;
  /** How many the caller does not have. */
  readonly missing: number;
}

/** What keeps an entry from being issued to anybody; undefined: nothing. */
export type Hindrance = (entry: Entry) => 'expired' | 'owner-disabled' | undefined;

/**
 * The entries that came nearest, fewest missing selectors first and in their own order within; entries with nothing in
 * common with the caller are no near miss. Looks at every entry: for an operator's question, not for a request.
 */
export function nearMisses(
  entries: Iterable<Entry>,
  selectors: ReadonlySet<Selector>,
  limit: number,
  hindrance: Hindrance,
): NearMiss[] {
  const byMissing: NearMiss[][] = [];
  for (const entry of entries) {
    const missing = countMissing(entry, selectors);
    if (missing === entry.selectors.length) continue;
    byMissing[missing] ??= [];
    const rank = byMissing[missing];
    if (rank.length >= limit) continue;
    const miss = missOf(entry, selectors, missing, hindrance);
    if (miss !== undefined) rank.push(miss);
  }
  return byMissing.flat().slice(0, limit);
}

function countMissing(entry: Entry, selectors: ReadonlySet<Selector>): number {
  let missing = 0;
  for (const selector of entry.selectors) if (!selectors.has(selector)) missing++;
  return missing;
}

function missOf(
  entry: Entry,
  selectors: ReadonlySet<Selector>,
  missing: number,
  hindrance: Hindrance,
): NearMiss | undefined {
  const missingSelector = missing === 0 ? undefined : entry.selectors.find((selector) => !selectors.has(selector));
  const reason = missing === 0 ? hindrance(entry) : 'missing-selector';
  return reason && { entry, reason, missingSelector, missing };
}
