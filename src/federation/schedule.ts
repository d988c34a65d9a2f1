/** When to ask a bundle endpoint again. Pure. */

/** Without a hint (Trust Domain and Bundle section 6.1, FD-28). */
const defaultIntervalMs = 300_000;
/** A hint may be longer; a key that is revoked is believed for no longer than this. */
const longestIntervalMs = 3_600_000;
/** So much earlier than the hint says, at most: many who ask the same endpoint spread, and none is later than its hint. */
const jitter = 0.1;
/** While nothing was ever learned, there is nobody to spare and everybody waits. */
const firstIntervalMs = 10_000;
const mostDoublings = 3;

export interface Outcome {
  /** Seconds, as the newest bundle says; undefined where it says nothing or there is none. */
  readonly hintSeconds: number | undefined;
  readonly known: boolean;
  /** In a row, until now. */
  readonly failures: number;
  /** No hint is followed below this. */
  readonly floorMs: number;
}

/** A failure waits for the next interval too, and each further one for twice as long (FD-29). */
export function pauseMs({ hintSeconds, known, failures, floorMs }: Outcome, fraction: number): number {
  const wanted = hintSeconds === undefined ? defaultIntervalMs : hintSeconds * 1000;
  const usual = known ? wanted : Math.min(wanted, firstIntervalMs);
  const doublings = Math.min(Math.max(failures - 1, 0), known ? mostDoublings : 2 + mostDoublings);
  const interval = Math.max(usual, floorMs) * 2 ** doublings;
  return Math.min(interval, Math.max(longestIntervalMs, floorMs)) * (1 - jitter * fraction);
}
