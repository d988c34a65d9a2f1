import { IdentityError } from '../errors.ts';
import { anchorOf } from './anchor.ts';
import { Chain, type Problem } from './chain.ts';
import { type Head, readHead } from './head.ts';
import { isOfKind, type Link, origin, Seal } from './record.ts';
import { linesOf, pieces, type Segment, segmentName, segmentsIn } from './segment.ts';

export interface VerifyReport {
  readonly ok: boolean;
  /** Records that are there and proven: all of them, or those before the problem. */
  readonly records: number;
  readonly segments: number;
  /** The first record that is there (those before were archived), and the last that is proven. */
  readonly first: number;
  readonly end: Link;
  /** Records after the last one that the head seals: still being written, or left so by a crash. */
  readonly afterHead: number;
  /** false: without the key only the links were followed. Who rewrites all of them from some record on is not found. */
  readonly sealed: boolean;
  readonly problem: Problem | undefined;
}

/** Follows every record there is, and names the first that was changed, removed, moved or cut off. */
export async function verifyLedger(directory: string, key: Buffer | undefined): Promise<VerifyReport> {
  const seal = key && new Seal(key);
  // Before the segments: a ledger in use goes on meanwhile, and must at least reach this far.
  const head = headOf(directory, seal);
  const segments = await segmentsIn(directory);
  const anchor = await anchorOf(segments, seal);
  const start = 'message' in anchor ? origin : anchor;
  const walk = new Walk(start, seal, head);
  const problem = 'message' in anchor ? anchor : ((await walk.through(segments)) ?? walk.atHead());
  const { end } = walk;
  return {
    ok: problem === undefined,
    records: end.seq - start.seq,
    segments: segments.length,
    first: start.seq + 1,
    end,
    afterHead: 'damage' in head ? 0 : Math.max(end.seq - head.seq, 0),
    sealed: seal !== undefined,
    problem,
  };
}

type FoundHead = Head | { readonly damage: string };

/** A ledger in use may overwrite its head in the very moment of reading: damage that stays is damage. */
function headOf(directory: string, seal: Seal | undefined, tries = 3): FoundHead {
  try {
    return readHead(directory, seal) ?? { damage: 'the file `head` is missing' };
  } catch (error) {
    if (!(error instanceof IdentityError && error.code === 'data-loss')) throw error;
    return tries > 1 ? headOf(directory, seal, tries - 1) : { damage: 'the file `head` was changed' };
  }
}

class Walk {
  readonly #chain: Chain;
  readonly #head: FoundHead;
  #hashAtHead: string | undefined;

  constructor(start: Link, seal: Seal | undefined, head: FoundHead) {
    this.#chain = new Chain(start, seal);
    this.#head = head;
    this.#noteHead();
  }

  get end(): Link {
    return this.#chain.end;
  }

  async through(segments: readonly Segment[]): Promise<Problem | undefined> {
    let number = segments[0]?.number ?? 1;
    for (const segment of segments) {
      if (segment.number !== number) return this.#next(`was removed: ${segmentName(number)} is missing`);
      const problem = await this.#segment(segment, segment === segments.at(-1));
      if (problem !== undefined) return problem;
      number++;
    }
    return undefined;
  }

  /** Does the ledger end where the head says? */
  atHead(): Problem | undefined {
    const head = this.#head;
    const { seq } = this.end;
    if ('damage' in head) return this.#next(`and what may follow cannot be proven to be all: ${head.damage}`);
    if (head.seq > seq) return this.#next(`and all up to record ${head.seq} were cut off`);
    if (this.#hashAtHead === head.hash) return head.state === 'closed' && head.seq < seq ? oldHead(head) : undefined;
    return this.#hashAtHead === undefined ? oldHead(head) : exchanged(head);
  }

  async #segment(segment: Segment, isLast: boolean): Promise<Problem | undefined> {
    let begun = false;
    for await (const { bytes, torn } of pieces(segment.path)) {
      if (torn) return isLast && this.#isAfterHead() ? undefined : this.#next('is not whole');
      for (const line of linesOf(bytes)) {
        const problem = this.#chain.follow(line) ?? (begun ? undefined : this.#misplacedHeader(line, segment));
        if (problem !== undefined) return problem;
        begun = true;
        this.#noteHead();
      }
    }
    return undefined;
  }

  /** Files that were cut and joined elsewhere hold the same records, but somebody did it. */
  #misplacedHeader(line: Buffer, { number }: Segment): Problem | undefined {
    if (isOfKind(line, 'ledger.segment') && line.includes(`"segment":${number},`)) return undefined;
    return { seq: this.end.seq, message: `record ${this.end.seq} was moved: ${segmentName(number)} begins with it` };
  }

  #noteHead(): void {
    if (!('damage' in this.#head) && this.#head.seq === this.end.seq) this.#hashAtHead = this.end.hash;
  }

  #isAfterHead(): boolean {
    return !('damage' in this.#head) && this.#head.state === 'open' && this.end.seq >= this.#head.seq;
  }

  #next(what: string): Problem {
    const seq = this.end.seq + 1;
    return { seq, message: `record ${seq} ${what}` };
  }
}

const oldHead = ({ seq }: Head): Problem => ({
  seq: seq + 1,
  message: `record ${seq + 1} follows the last one that the head knows: the file \`head\` is an old copy`,
});

const exchanged = ({ seq }: Head): Problem => ({
  seq,
  message: `record ${seq} is not the one that the head seals: it was exchanged`,
});
