/** The search: break what is known to be interesting, keep what reaches code that nothing reached before. */
import { type Attempts, type Finding, placeOf } from './attempt.ts';
import type { Coverage } from './coverage.ts';
import { mutate } from './mutate.ts';
import type { Random } from './random.ts';
import type { Target } from './target.ts';

export interface SearchParts {
  readonly attempts: Attempts;
  readonly coverage: Coverage;
  readonly random: Random;
  readonly target: Target;
  /** After so many inputs it ends. What is tried then follows from the seed, not from how fast the machine is. */
  readonly inputs?: number | undefined;
}

const mostFindings = 10;
/** Larger ones make the search slow, and what they reach, smaller ones reach as well. */
const longestKept = 16 * 1024;
const batchSizes = { least: 4, most: 512 };
/** Refusals can quote the input; so many different ones are told apart. */
const mostKinds = 60;

export class Search {
  readonly pool: Buffer[] = [];
  readonly findings = new Map<string, Finding>();
  readonly #parts: SearchParts;
  readonly #kinds = new Set<string>();
  #batch = 32;

  constructor(parts: SearchParts) {
    this.#parts = parts;
  }

  /** Seeds stay whatever they reach: their tokens are worth exchanging. */
  async begin(seeds: readonly Buffer[], corpus: readonly Buffer[]): Promise<void> {
    this.#parts.coverage.learn(this.#parts.coverage.take());
    for (const input of [...seeds, ...corpus]) await this.#judge(input);
    this.pool.splice(0, this.pool.length, ...seeds, ...corpus);
  }

  async until(end: number, enough = mostFindings): Promise<void> {
    const { attempts, inputs } = this.#parts;
    while (performance.now() < end && this.findings.size < enough) {
      if (inputs !== undefined && attempts.count >= inputs) return;
      const batch = Array.from({ length: this.#batch }, () => this.#next());
      const begun = performance.now();
      for (const input of batch) if (await this.#attempt(input)) this.#keep(input);
      const tried = performance.now();
      const reached = this.#parts.coverage.take();
      if (inputs === undefined) this.#adapt(tried - begun, performance.now() - tried);
      if (!this.#parts.coverage.isNew(reached)) continue;
      for (const input of batch) await this.#judge(input);
      // What only happens once, such as filling a cache, is nobody's merit.
      this.#parts.coverage.learn(reached);
    }
  }

  #next(): Buffer {
    const { random, target } = this.#parts;
    return this.pool.length === 0 ? Buffer.from([random(256)]) : mutate(this.pool, random, target);
  }

  /** By itself, so that what is new can be told to be this input's. */
  async #judge(input: Buffer): Promise<void> {
    await this.#attempt(input);
    if (this.#parts.coverage.learn(this.#parts.coverage.take())) this.#keep(input);
  }

  /** True when it went another way than all before. */
  async #attempt(input: Buffer): Promise<boolean> {
    const { kind, fault } = await this.#parts.attempts.of(input);
    if (fault !== undefined) this.#note({ what: fault, input: Buffer.from(input) });
    if (fault !== undefined || this.#kinds.has(kind) || this.#kinds.size >= mostKinds) return false;
    this.#kinds.add(kind);
    return true;
  }

  #keep(input: Buffer): void {
    if (input.length <= longestKept && !this.pool.includes(input)) this.pool.push(input);
  }

  #note(finding: Finding): void {
    const place = placeOf(finding.what);
    const known = this.findings.get(place);
    if (known === undefined || finding.input.length < known.input.length) this.findings.set(place, finding);
  }

  /** Asking V8 costs the same however many inputs there were: it is to take a fifth of the time. */
  #adapt(triedMs: number, askedMs: number): void {
    const wanted = Math.ceil(this.#batch * ((4 * askedMs) / Math.max(triedMs, 0.01)));
    this.#batch = Math.min(Math.max(Math.ceil((this.#batch + wanted) / 2), batchSizes.least), batchSizes.most);
  }
}

/** The few of them that together reach all that they reach, the short ones first. */
export async function distil(inputs: readonly Buffer[], attempts: Attempts, coverage: Coverage): Promise<Buffer[]> {
  coverage.forget();
  coverage.take();
  const kept: Buffer[] = [];
  const kinds = new Set<string>();
  for (const input of inputs.toSorted((a, b) => a.length - b.length)) {
    const { kind } = await attempts.of(input);
    const fresh = coverage.learn(coverage.take());
    if (fresh || !kinds.has(kind)) kept.push(input);
    kinds.add(kind);
  }
  return kept;
}

/** A shorter and plainer input with which the same goes wrong. */
export async function minimise(finding: Finding, attempts: Attempts, tries = 2_000): Promise<Finding> {
  const place = placeOf(finding.what);
  let best = finding;
  const better = async (input: Buffer): Promise<boolean> => {
    const { fault } = tries-- > 0 ? await attempts.of(input) : { fault: undefined };
    if (fault === undefined || placeOf(fault) !== place) return false;
    best = { what: fault, input };
    return true;
  };
  const cut = async (at: number, size: number): Promise<boolean> =>
    better(Buffer.concat([best.input.subarray(0, at), best.input.subarray(at + size)]));
  for (let size = best.input.length >> 1; size > 0; size >>= 1) {
    for (let at = 0; at + size <= best.input.length; ) if (!(await cut(at, size))) at += size;
  }
  for (let at = 0; at < best.input.length; at++) {
    const plain = Buffer.from(best.input);
    plain[at] = 0x61;
    if (best.input[at] !== 0x61) await better(plain);
  }
  return best;
}
