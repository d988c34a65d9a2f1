import { frameOf, hashOf, type Link, type Seal } from './record.ts';

/** The first record that is not what was written, or not where it was written. */
export interface Problem {
  readonly seq: number;
  readonly message: string;
}

/**
 * Follows records from `start` on, each the successor of the one before. Pure: lines come in, the first wrong one is
 * named. Without a seal only the links are followed: that finds an edit, not a chain rewritten from the edit on.
 */
export class Chain {
  #end: Link;
  readonly #seal: Seal | undefined;

  constructor(start: Link, seal: Seal | undefined) {
    this.#end = start;
    this.#seal = seal;
  }

  /** The last record that was right. */
  get end(): Link {
    return this.#end;
  }

  /** Takes the next line. Says what is wrong with it, or moves on to it. */
  follow(line: Buffer): Problem | undefined {
    const seq = this.#end.seq + 1;
    const frame = frameOf(line);
    if (frame === undefined) return { seq, message: `record ${seq} was changed: its line is not a record` };
    if (this.#seal !== undefined && this.#seal.of(frame.sealed) !== frame.seal) {
      return { seq, message: `record ${seq} was changed: its seal does not fit what it says` };
    }
    if (frame.seq !== seq) return misplaced(seq, frame.seq);
    if (frame.prev !== this.#end.hash) return this.#unlinked(seq);
    this.#end = { seq, hash: hashOf(line) };
    return undefined;
  }

  /** With both seals right, the one before is a true record of another past (a restored copy); else either was edited. */
  #unlinked(seq: number): Problem {
    const before = Math.max(seq - 1, 1);
    if (this.#seal === undefined) {
      return { seq: before, message: `record ${before} was changed, or the link to it that record ${seq} carries` };
    }
    return { seq: before, message: `record ${before} was exchanged: record ${seq} was written after another one` };
  }
}

function misplaced(seq: number, found: number): Problem {
  if (found > seq) return { seq, message: `record ${seq} was removed or moved: record ${found} stands in its place` };
  return { seq, message: `record ${seq} is not in its place: record ${found} stands there a second time` };
}
