import { IdentityError } from '../errors.ts';

/**
 * Verifying a signature costs more than making it. The first of every key is verified, and one in so many after it; from
 * the first that fails, every one is, until one holds again.
 */
export class Sampling {
  readonly #every: number;
  #count = 0;

  constructor(every: number) {
    this.#every = every;
  }

  /** Runs `check`, which throws what must not be released, where this one is of the sample. */
  check(check: () => void): void {
    if (this.#count === 0) released(check);
    this.#count = (this.#count + 1) % this.#every;
  }
}

/** The caller did nothing wrong: either the key is not what it was, or we are not. */
function released(check: () => void): void {
  try {
    check();
  } catch (cause) {
    const message = 'What was signed did not pass its check and was not released';
    throw new IdentityError('unavailable', message, { reason: 'self-check', cause });
  }
}
