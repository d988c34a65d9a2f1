import { randomBytes, randomUUID } from 'node:crypto';

/** Randomness as a value, so that pure code receives it and tests can repeat it. */
export interface Random {
  bytes(length: number): Buffer;
  uuid(): string;
  /** Uniform in [0, 1): for jitter, never for secrets. */
  fraction(): number;
}

export const systemRandom: Random = {
  bytes: (length) => randomBytes(length),
  uuid: () => randomUUID(),
  fraction: () => Math.random(),
};
