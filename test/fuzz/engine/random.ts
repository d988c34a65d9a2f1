/** Everything of a run follows from one number, so that it can be repeated. */
export type Random = (below: number) => number;

/** xorshift32: fast, and good enough to choose where to break something. */
export function randomOf(seed: number): Random {
  let state = seed | 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

export const pick = <T>(values: readonly T[], random: Random): T => values[random(values.length)] as T;
