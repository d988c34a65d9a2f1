/**
 * Which code an input reaches, told by V8 itself (block coverage through node:inspector). Must begin before the code is
 * loaded: what was compiled earlier has no counters. V8 names the parts of a function that did not run; whatever was
 * among them in every run so far is still unreached.
 */
import { readFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';

/** [start, end, start, end, …], ascending: characters that did not run. */
type Unreached = readonly number[];

interface CoveredFunction {
  readonly isBlockCoverage: boolean;
  readonly ranges: readonly { readonly startOffset: number; readonly endOffset: number; readonly count: number }[];
}
interface Taken {
  readonly result: readonly { readonly url: string; readonly functions: readonly CoveredFunction[] }[];
}

/** By function: `url start end`. Functions that did not run at all are not in it. */
export type Reached = ReadonlyMap<string, Unreached>;

export class Coverage {
  readonly #session = new Session();
  readonly #counts: (url: string) => boolean;
  readonly #unreached = new Map<string, Unreached>();
  /** The functions that there are, run or not. */
  readonly #known = new Map<string, Set<string>>();

  /** @param counts which files matter, by URL */
  constructor(counts: (url: string) => boolean) {
    this.#counts = counts;
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: false, detailed: true });
  }

  /** What ran since the last call. */
  take(): Reached {
    const reached = new Map<string, Unreached>();
    this.#session.post('Profiler.takePreciseCoverage', (error, taken: Taken) => {
      if (error) throw error;
      for (const { url, functions } of taken.result) if (this.#counts(url)) this.#note(url, functions, reached);
    });
    return reached;
  }

  /** Is there code in it that never ran before? */
  isNew = (reached: Reached): boolean => [...reached].some(([id, now]) => this.#adds(id, now));

  /** Remembers it; true when there was something new. */
  learn(reached: Reached): boolean {
    let fresh = false;
    for (const [id, now] of reached) {
      if (!this.#adds(id, now)) continue;
      fresh = true;
      this.#unreached.set(id, common(this.#unreached.get(id) ?? now, now));
    }
    return fresh;
  }

  /** Forgets what was reached, so that a set of inputs can be measured by itself. */
  forget(): void {
    this.#unreached.clear();
  }

  /** The share of all code inside functions that ever ran. Comments and blanks are no code. */
  share(): { readonly reached: number; readonly all: number } {
    let [reached, all] = [0, 0];
    for (const [url, ids] of this.#known) {
      const text = codeOf(url);
      for (const [at, state] of this.#paint(ids, text.length).entries()) {
        if (state === outside || text.charCodeAt(at) <= 0x20) continue;
        all++;
        if (state === ran) reached++;
      }
    }
    return { reached, all };
  }

  #note(url: string, functions: readonly CoveredFunction[], reached: Map<string, Unreached>): void {
    const known = this.#known.get(url) ?? new Set();
    this.#known.set(url, known);
    for (const { ranges } of functions) {
      const [whole, ...parts] = ranges;
      if (whole === undefined || whole.startOffset === 0) continue;
      const id = `${url} ${whole.startOffset} ${whole.endOffset}`;
      known.add(id);
      if (whole.count > 0) reached.set(id, unreachedIn(parts));
    }
  }

  #adds(id: string, now: Unreached): boolean {
    const before = this.#unreached.get(id);
    return before === undefined || (before.length > 0 && lengthOf(common(before, now)) < lengthOf(before));
  }

  /** Outer functions first, so that those within them have the last word. */
  #paint(ids: ReadonlySet<string>, length: number): Uint8Array {
    const states = new Uint8Array(length);
    const spans = [...ids].map((id) => ({ id, span: id.split(' ').slice(-2).map(Number) as [number, number] }));
    for (const { id, span } of spans.sort((a, b) => b.span[1] - b.span[0] - (a.span[1] - a.span[0]))) {
      const unreached = this.#unreached.get(id);
      states.fill(unreached === undefined ? idle : ran, ...span);
      for (let i = 0; i < (unreached?.length ?? 0); i += 2) states.fill(idle, unreached?.[i], unreached?.[i + 1]);
    }
    return states;
  }
}

const outside = 0;
const idle = 1;
const ran = 2;

/** Ranges are nested, the outer ones first; the innermost says whether a character ran. */
function unreachedIn(ranges: CoveredFunction['ranges']): Unreached {
  if (ranges.every(({ count }) => count === 0)) return ranges.flatMap((one) => [one.startOffset, one.endOffset]);
  const edges = [...new Set(ranges.flatMap((one) => [one.startOffset, one.endOffset]))].sort((a, b) => a - b);
  const unreached: number[] = [];
  for (const [index, start] of edges.entries()) {
    const innermost = ranges.findLast((one) => one.startOffset <= start && start < one.endOffset);
    const end = edges[index + 1];
    if (innermost?.count !== 0 || end === undefined) continue;
    if (unreached.at(-1) === start) unreached.pop();
    else unreached.push(start);
    unreached.push(end);
  }
  return unreached;
}

/** What neither of both reached. */
function common(a: Unreached, b: Unreached): Unreached {
  const both: number[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const [aEnd = 0, bEnd = 0] = [a[i + 1], b[j + 1]];
    const start = Math.max(a[i] ?? 0, b[j] ?? 0);
    const end = Math.min(aEnd, bEnd);
    if (start < end) both.push(start, end);
    if (aEnd <= bEnd) i += 2;
    if (bEnd <= aEnd) j += 2;
  }
  return both;
}

const lengthOf = (unreached: Unreached): number =>
  unreached.reduce((sum, offset, index) => sum + (index % 2 === 0 ? -offset : offset), 0);

/** The text as V8 has it, character by character, its comments blanked. */
function codeOf(url: string): string {
  const source = readFileSync(fileURLToPath(url), 'utf8');
  const text = url.endsWith('.ts') ? stripTypeScriptTypes(source) : source;
  return text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, (comment) => ' '.repeat(comment.length));
}
