/**
 * What the open streams have been sent: so that whoever replaces an authority can wait until its successor is known, and
 * until nothing that it signed is held.
 */

/** What one message said. */
export interface Sent {
  /** Of the bundle that it carried. */
  readonly sequence: bigint | undefined;
  /** Who signed the SVIDs in it. */
  readonly authorities: readonly string[];
}

export class Delivery {
  readonly #readers = new Set<Reader>();

  /** A stream; it counts from its first message on, because before it holds nothing. */
  reader(): Reader {
    const reader = new Reader(() => this.#readers.delete(reader));
    this.#readers.add(reader);
    return reader;
  }

  /** Streams whose last message carried an older bundle. */
  behind(sequence: bigint): number {
    return this.#count(({ sequence: last }) => last !== undefined && last < sequence);
  }

  /** Streams whose last message had an SVID by that authority. */
  holding(authority: string): number {
    return this.#count(({ authorities }) => authorities.includes(authority));
  }

  #count(fits: (sent: Sent) => boolean): number {
    let count = 0;
    for (const { last } of this.#readers) if (last !== undefined && fits(last)) count += 1;
    return count;
  }
}

export class Reader implements Disposable {
  last: Sent | undefined;
  readonly #closed: () => void;

  constructor(closed: () => void) {
    this.#closed = closed;
  }

  [Symbol.dispose](): void {
    this.#closed();
  }
}
