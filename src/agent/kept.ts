/** The newest answer for one process, kept for those of its streams that ask in the same moment. */

/** As long as a change takes to reach all streams of one process, and no longer: what is due meanwhile waits so long. */
const keptMs = 1_000;

export class Kept<T extends { readonly dueAt: number; readonly endsAt: number }> {
  #kept: { readonly answer: T; readonly version: number; readonly at: number } | undefined;

  /** What was kept, where nothing has changed since, nothing in it is due, and the clock was not set back. */
  answer(version: number, now: number): T | undefined {
    const kept = this.#kept;
    if (kept === undefined || kept.version !== version || now < kept.at) return undefined;
    return now < Math.min(kept.at + keptMs, kept.answer.dueAt, kept.answer.endsAt) ? kept.answer : undefined;
  }

  /** @param at when its making began */
  keep(answer: T, version: number, at: number): T {
    this.#kept = { answer, version, at };
    return answer;
  }
}
