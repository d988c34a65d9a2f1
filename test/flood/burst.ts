/** Frames of many calls in one piece of memory; only the numbers of their streams are written anew each time. */
export class Burst {
  readonly #bytes: Buffer;
  /** Where each frame's stream number stands, by call. */
  readonly #places: readonly (readonly number[])[];

  /** @param parts the frames of one call, each complete; those of stream 0 get the call's number */
  constructor(parts: readonly Buffer[], calls: number) {
    const one = Buffer.concat(parts);
    const starts = parts.map((_, at) => parts.slice(0, at).reduce((sum, { length }) => sum + length, 0));
    this.#bytes = Buffer.concat(Array.from({ length: calls }, () => one));
    this.#places = Array.from({ length: calls }, (_, call) => starts.map((start) => call * one.length + start + 5));
  }

  /** A copy with streams `first`, `first` + 2, … */
  from(first: number): Buffer {
    for (const [call, places] of this.#places.entries()) {
      for (const place of places) this.#bytes.writeUInt32BE(first + 2 * call, place);
    }
    return Buffer.from(this.#bytes);
  }
}
