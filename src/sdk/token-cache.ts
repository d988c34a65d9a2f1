import type { FetchedJwtSvid } from './jwt-answers.ts';

export interface CachedSvids {
  readonly svids: readonly FetchedJwtSvid[];
  /** Half of the shortest life among them has passed: ask again. */
  readonly renewAt: number;
  readonly expiresAt: number;
}

/** So that a program which makes up audiences does not grow without end. */
const mostAnswers = 1_024;

/** Answers of FetchJWTSVID by audience set and identity, the oldest leaving first. */
export class TokenCache {
  readonly #answers = new Map<string, CachedSvids>();

  get(key: string, at: number): CachedSvids | undefined {
    const answer = this.#answers.get(key);
    return answer !== undefined && answer.expiresAt > at ? answer : undefined;
  }

  put(key: string, svids: readonly FetchedJwtSvid[], at: number): void {
    const lifeMs = Math.min(...svids.map(({ issuedAt, expiresAt }) => expiresAt - (issuedAt ?? at)));
    const expiresAt = Math.min(...svids.map((svid) => svid.expiresAt));
    this.#answers.delete(key);
    this.#answers.set(key, { svids, renewAt: expiresAt - lifeMs / 2, expiresAt });
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= mostAnswers) break;
      this.#answers.delete(oldest);
    }
  }

  delete(key: string): void {
    this.#answers.delete(key);
  }

  clear(): void {
    this.#answers.clear();
  }
}
