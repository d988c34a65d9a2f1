/** Runs one target in a thread, so that one that never comes back can be told from one that is slow. */
import { parentPort, workerData } from 'node:worker_threads';
import { IdentityError } from '../../src/errors.ts';
import { byteTargets } from './byte-targets.ts';
import { mutate, randomOf } from './mutate.ts';
import { spiffeTargets } from './spiffe-targets.ts';

export interface Order {
  readonly name: string;
  readonly ms: number;
  readonly seed: number;
  /** Only this one. */
  readonly input: Uint8Array | undefined;
  /** Where the watchdog sees what is being tried: executions, length, bytes. */
  readonly shared: SharedArrayBuffer;
}
export interface Result {
  readonly executions: number;
  readonly accepted: number;
  readonly findings: readonly Finding[];
}
export interface Finding {
  readonly what: string;
  readonly input: Uint8Array;
}

export const headerBytes = 8;
const slowMs = 1000;

const { name, ms, seed, input: only, shared } = workerData as Order;
const target = [...spiffeTargets, ...byteTargets].find((one) => one.name === name);
if (target === undefined) throw new Error(`no such target: ${name}`);
const header = new Int32Array(shared, 0, 2);
const bytes = new Uint8Array(shared, headerBytes);

const mostFindings = 10;
let accepted = 0;
/** One for each place it comes from. */
const findings = new Map<string, Finding>();

const executions = only === undefined ? fuzz() : once(Buffer.from(only));
parentPort?.postMessage({ executions, accepted, findings: [...findings.values()] } satisfies Result);

function fuzz(): number {
  const random = randomOf(seed);
  const end = performance.now() + ms;
  // What was accepted is worth breaking further: it lies deeper than most.
  const pool = [...(target?.seeds ?? [])];
  for (let count = 0; ; count++) {
    if (count % 16 === 0 && (performance.now() > end || findings.size >= mostFindings)) return count;
    const input = count < pool.length ? (pool[count] as Buffer) : mutate(pool, random);
    const before = accepted;
    note(input);
    if (accepted > before && pool.length < 200 && input.length < 4096) pool.push(Buffer.from(input));
  }
}

function once(input: Buffer): number {
  note(input);
  return 1;
}

function note(input: Buffer): void {
  const what = attempt(input);
  if (what === undefined) return;
  const place = what.split('\n').slice(0, 3).join('\n');
  const known = findings.get(place);
  if (known === undefined || input.length < known.input.length)
    findings.set(place, { what, input: Buffer.from(input) });
}

/** What is wrong, if anything. */
function attempt(input: Buffer): string | undefined {
  bytes.set(input);
  header[1] = input.length;
  Atomics.add(header, 0, 1);
  const begun = performance.now();
  const what = fault(input);
  if (what !== undefined || performance.now() - begun < slowMs) return what;
  // Another program may have had the core: only time that was really spent counts.
  const used = process.threadCpuUsage();
  fault(input);
  const { user, system } = process.threadCpuUsage(used);
  return (user + system) / 1000 < slowMs ? undefined : `takes ${((user + system) / 1000).toFixed(0)} ms`;
}

function fault(input: Buffer): string | undefined {
  try {
    target?.run(input);
    accepted += 1;
    return undefined;
  } catch (error) {
    if (error instanceof IdentityError) return undefined;
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}
