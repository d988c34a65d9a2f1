/** 5,000 streams, each on a connection of its own: what they hold in memory, and how soon all know of a new authority. */
import { type Mayfly, startMayfly } from '../../integration/fixture.ts';
import { ledgerMoments } from '../ledger-moments.ts';
import { cpuSeconds, residentKiB } from '../process-stat.ts';
import { Racers } from '../racers.ts';
import { holdStreams, type StreamEvent } from '../streams.ts';
import { type Measure, own } from './measure.ts';

const count = 5_000;
const warm = count / 10;
const processes = 200;

export const streams: Measure = {
  title: 'open streams',
  run: async ({ bare }) => {
    // Its first heir is due after thirty seconds.
    await using mayfly = await startMayfly({ flags: ['--ca-ttl', '90s', '--x509-ttl', '80s'] });
    const { pid, socket, dataDirectory } = mayfly;
    await mayfly.operator.create({ spiffeId: 'spiffe://example.org/bench', selectors: own() });
    const idleMiB = residentKiB(pid) / 1024;
    using held = await holdStreams(socket, warm);
    const before = residentKiB(pid);
    let bundle = 0;
    const told = held.collect(
      'a new authority on every stream',
      count,
      larger(() => bundle),
      150_000,
    );
    const opened = await held.hold(count - warm);
    const kibPerStream = (residentKiB(pid) - before) / (count - warm);
    const kibPerProcess = await processKiB(mayfly);
    bundle = Math.max(...opened.map(({ bundleBytes }) => bundleBytes ?? 0));
    const cpu = cpuSeconds(pid);
    const last = Math.max(...(await told).map(({ at }) => at));
    const used = cpuSeconds(pid) - cpu;
    const prepared = ledgerMoments(dataDirectory, 'authority.prepared', 'x509').at(-1) ?? Number.NaN;
    return [
      {
        ...{ measure: '5,000 open streams, each', value: kibPerStream, unit: 'KiB', goal: { atMost: 50 }, spire: '54' },
        reference: { what: 'bare node:http2', value: bare.kibPerStream },
      },
      {
        measure: 'a process with one stream, each of 200',
        ...{ value: kibPerProcess, unit: 'KiB' },
      },
      { measure: 'resident, just started', value: idleMiB, unit: 'MiB' },
      {
        measure: 'bundle change, from its record to the last of 5,000 streams',
        ...{ value: (last - prepared) / 1000, unit: 's', goal: { atMost: 0.5 }, cpuSeconds: used },
      },
    ];
  },
};

async function processKiB({ pid, socket, directory }: Mayfly): Promise<number> {
  const racers = await Racers.prepare(socket, directory);
  const before = residentKiB(pid);
  using _processes = await racers.hold(processes);
  return (residentKiB(pid) - before) / processes;
}

/** A stream's first message with a larger bundle than the one before: one root more. */
function larger(than: () => number): (event: StreamEvent) => boolean {
  const seen = new Set<number>();
  return ({ stream, bundleBytes = 0 }) => {
    if (than() === 0 || bundleBytes <= than() || seen.has(stream)) return false;
    return seen.add(stream).size > 0;
  };
}
