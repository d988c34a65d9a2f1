import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';

/**
 * Why a bit that flipped, or somebody with SQL, never becomes an identity. Each row carries the first half of an
 * HMAC-SHA512 over its content. The second half is stored nowhere: all of them, folded together, are sealed in the one
 * row of `registry`, so that a row that was taken out, or put back as it was before, is missed as well.
 */
export class RowSealer {
  readonly #key: KeyObject;

  /** @param key 32 bytes or more */
  constructor(key: Buffer) {
    if (key.length < 32) throw new TypeError('the key that seals rows has at least 32 bytes');
    this.#key = createSecretKey(key);
  }

  seal(
    table: string,
    content: readonly (string | number | null)[],
  ): { readonly seal: string; readonly weight: Buffer } {
    const mac = createHmac('sha512', this.#key)
      .update(JSON.stringify([table, ...content]))
      .digest();
    return { seal: mac.toString('base64url', 0, 32), weight: mac.subarray(32) };
  }
}

/** The columns of a row in their order, all but the seal. */
export type SealedContent = readonly (string | number | null)[];

/** What all rows add up to. Exclusive or: a row is taken out the way it was put in, in whatever order. */
export class Sum {
  readonly #bytes: Buffer;

  constructor(bytes: Buffer = Buffer.alloc(32)) {
    this.#bytes = bytes;
  }

  copy = (): Sum => new Sum(Buffer.from(this.#bytes));

  toggle(weight: Buffer): void {
    for (let at = 0; at < 32; at++) this.#bytes[at] = (this.#bytes[at] ?? 0) ^ (weight[at] ?? 0);
  }

  toString = (): string => this.#bytes.toString('base64url');
}
