/**
 * `make fuzz`: hostile bytes into everything that reads bytes of strangers. A target returns or throws an IdentityError,
 * within a second; anything else is a finding, printed with its input in hex, and the run fails.
 *
 *   node test/fuzz/run.ts [--seconds 5] [--seed 1] [--only jwt-svid]
 *   node test/fuzz/run.ts --only jwt-svid --input 65794a…      one input again
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { byteTargets } from './byte-targets.ts';
import { spiffeTargets } from './spiffe-targets.ts';
import type { Finding, Order, Result } from './worker.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: process.env['FUZZ_SECONDS'] ?? '5' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string' },
    input: { type: 'string' },
  },
});
const hungMs = 5_000;
const headerBytes = 8;
const room = 64 * 1024;

const names = [...spiffeTargets, ...byteTargets]
  .map(({ name }) => name)
  .filter((name) => (values.only ?? name) === name);
if (names.length === 0) throw new Error(`no such target: ${values.only}`);
process.stdout.write(`${names.length} targets, ${values.seconds} s each, --seed ${values.seed}\n`);

let findings = 0;
let executions = 0;
for (const name of names) {
  const result = await fuzz(name);
  executions += result.executions;
  process.stdout.write(
    `${name.padEnd(22)} ${result.executions.toLocaleString('en').padStart(10)} inputs, ${result.accepted.toLocaleString('en')} accepted\n`,
  );
  for (const { what, input } of result.findings) {
    findings += 1;
    process.stdout.write(`!! ${name}: ${what}\n   --only ${name} --input ${Buffer.from(input).toString('hex')}\n`);
  }
}
process.stdout.write(`${executions.toLocaleString('en')} inputs, ${findings} findings\n`);
process.exitCode = findings === 0 ? 0 : 1;

/** One target in a thread of its own; the watchdog looks whether it still moves. */
function fuzz(name: string): Promise<Result> {
  const shared = new SharedArrayBuffer(headerBytes + room);
  const header = new Int32Array(shared, 0, 2);
  const input = values.input === undefined ? undefined : Buffer.from(values.input, 'hex');
  const order: Order = { name, ms: Number(values.seconds) * 1000, seed: Number(values.seed), input, shared };
  return new Promise((resolve, reject) => {
    const worker = new Worker(join(import.meta.dirname, 'worker.ts'), { workerData: order });
    let [seen, since] = [0, performance.now()];
    const watchdog = setInterval(() => {
      const count = Atomics.load(header, 0);
      if (count !== seen || count === 0) [seen, since] = [count, performance.now()];
      else if (performance.now() - since > hungMs) finish({ executions: count, accepted: 0, findings: [hung()] });
    }, 250);
    const hung = (): Finding => ({
      what: `does not come back within ${hungMs / 1000} s`,
      input: Buffer.from(new Uint8Array(shared, headerBytes, header[1])),
    });
    const finish = (result: Result): void => {
      clearInterval(watchdog);
      void worker.terminate();
      resolve(result);
    };
    worker.once('message', finish);
    worker.once('error', (error) => {
      clearInterval(watchdog);
      reject(error);
    });
  });
}
