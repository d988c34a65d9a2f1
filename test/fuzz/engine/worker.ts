/**
 * One target in a process of its own, so that one that hangs, dies or eats all memory takes nothing else along. The order
 * is JSON in the file that the argument names; the result goes to the parent as a message.
 */
import { readFileSync } from 'node:fs';
import { planted } from '../planted/targets.ts';
import { targets } from '../targets.ts';
import { Attempts, Witness } from './attempt.ts';
import { readCorpus, writeCorpus } from './corpus.ts';
import { Coverage } from './coverage.ts';
import { randomOf } from './random.ts';
import { distil, minimise, Search } from './search.ts';

export interface Order {
  readonly name: string;
  readonly ms: number;
  readonly seed: number;
  /** Where the parent sees what is being tried. */
  readonly witness: string;
  /** Only this one, in hexadecimal. */
  readonly input?: string | undefined;
  /** Ends after so many inputs, if the time is not over before. */
  readonly inputs?: number | undefined;
  /** Ends with so many findings; with ten otherwise. */
  readonly enough?: number | undefined;
  /** Writes the corpus anew. */
  readonly keep?: boolean | undefined;
}

export interface Result {
  readonly executions: number;
  readonly accepted: number;
  readonly corpus: number;
  readonly reached: number;
  readonly code: number;
  /** Inputs in hexadecimal. */
  readonly findings: readonly { readonly what: string; readonly input: string }[];
}

const order = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Order;
const entry = targets[order.name] ?? planted[order.name];
if (entry === undefined) throw new Error(`no such target: ${order.name}`);
const source = new URL('../../../src/', import.meta.url).href;
const covered = entry.covers.map((path) => new URL(path, source).href);

const coverage = new Coverage((url) =>
  covered.some((one) => url === one || (one.endsWith('/') && url.startsWith(one))),
);
const target = await entry.load();
const attempts = new Attempts(target, new Witness(order.witness));
const search = new Search({ attempts, coverage, random: randomOf(order.seed), target, inputs: order.inputs });

if (order.input === undefined) {
  await search.begin(target.seeds, readCorpus(order.name));
  await search.until(performance.now() + order.ms, order.enough);
} else {
  await search.begin([Buffer.from(order.input, 'hex')], []);
}
const findings = [];
for (const finding of search.findings.values()) {
  const { what, input } = order.input === undefined ? await minimise(finding, attempts) : finding;
  findings.push({ what, input: input.toString('hex') });
}
const { reached, all } = coverage.share();
const { count: executions, accepted } = attempts;
let corpus = search.pool.length;
if (order.keep) corpus = writeCorpus(order.name, await distil(search.pool, attempts, coverage));
process.send?.({ executions, accepted, corpus, reached, code: all, findings } satisfies Result, () => process.exit());
