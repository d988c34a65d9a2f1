/**
 * `make soak`, or `node test/bench/soak.ts --minutes 30`, which takes 45: about half of what the issuer can bear, of everything at once,
 * for as long as one has; then, is its memory flat, and is everything given back that was taken?
 */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pause, startMayfly } from '../integration/fixture.ts';
import { freePort } from './free-port.ts';
import { buildGoLoad, goProgram } from './go-load.ts';
import { type Health, healthOf } from './health.ts';
import { costing } from './rates.ts';
import { document, print, save } from './report.ts';
import type { Row } from './row.ts';
import { mixedLoad } from './soak-load.ts';
import { trend } from './trend.ts';

export interface Sample extends Health {
  readonly minute: number;
}

export interface Soak {
  readonly rows: readonly Row[];
  readonly samples: readonly Sample[];
}

const sampleMs = 5_000;
/**
 * Load before the time that counts, until caches are full and the heap has found its size: V8 takes pages in steps of some
 * MiB, the last of them, measured, after a quarter of an hour, and none from then on.
 */
const settlingMinutes = (minutes: number): number => minutes / 2;
/** Long enough for every process and every connection of the load to be gone. */
const quietMs = 5_000;

export async function soak(minutes: number): Promise<Soak> {
  const port = await freePort();
  await using mayfly = await startMayfly({ flags: ['--http', `127.0.0.1:${port}`, '--log-level', 'warn'] });
  const [load, stranger] = [join(mayfly.directory, 'load'), join(mayfly.directory, 'stranger')];
  for (const copy of [load, stranger]) copyFileSync(goProgram, copy);
  const look = () => healthOf(mayfly.pid, port);
  await mixedLoad(mayfly, { load, stranger, seconds: 5 });
  await pause(quietMs);
  const before = await look();
  const { result: cost, samples } = await sampled(look, () =>
    costing(mayfly.pid, () =>
      mixedLoad(mayfly, { load, stranger, seconds: (settlingMinutes(minutes) + minutes) * 60 }),
    ),
  );
  await pause(quietMs);
  const after = await look();
  const warnings = mayfly.output.split('MaxListenersExceededWarning').length - 1;
  return { rows: rowsOf(minutes, samples, cost, { before, after, warnings }), samples };
}

async function sampled<T>(look: () => Promise<Health>, work: () => Promise<T>) {
  const samples: Sample[] = [];
  const start = performance.now();
  const sampling = setInterval(async () => {
    const minute = (performance.now() - start) / 60_000;
    // One that is missing, because the issuer is just ending, is no loss.
    const health = await look().catch(() => undefined);
    if (health !== undefined) samples.push({ minute, ...health });
  }, sampleMs);
  const result = await work().finally(() => clearInterval(sampling));
  return { result, samples };
}

function rowsOf(
  minutes: number,
  samples: readonly Sample[],
  { result: calls, ...cost }: Awaited<ReturnType<typeof costing<number>>>,
  { before, after, warnings }: { readonly before: Health; readonly after: Health; readonly warnings: number },
): Row[] {
  const name = `soak of ${minutes} min`;
  const settled = samples.filter(({ minute }) => minute >= settlingMinutes(minutes));
  const growth = (of: (sample: Sample) => number) => trend(settled.map((sample) => [sample.minute, of(sample)]));
  const [resident, heap] = [growth(({ residentMiB }) => residentMiB), growth(({ heapMiB }) => heapMiB)];
  const other = ({ resources: { Timeout = 0, ...rest } }: Health): number =>
    Object.values(rest).reduce((sum, count) => sum + count, 0);
  const left = (what: string, of: (health: Health) => number): Row => ({
    measure: `${name}: ${what} left over`,
    ...{
      value: of(after) - of(before),
      unit: '',
      goal: { atMost: 0 },
      reference: { what: 'before', value: of(before) },
    },
  });
  return [
    { measure: `${name}: calls and connections`, value: calls / cost.wallSeconds, unit: '/s', ...cost },
    { measure: `${name}: CPU of the server`, value: (100 * cost.cpuSeconds) / cost.wallSeconds, unit: '%' },
    {
      measure: `${name}: resident memory grows by (flat: within two standard errors)`,
      ...{ value: resident.slope, unit: 'MiB/min', goal: { atMost: 2 * resident.standardError } },
      reference: { what: 'standard error', value: resident.standardError },
    },
    {
      measure: `${name}: JavaScript heap grows by`,
      ...{ value: heap.slope, unit: 'MiB/min' },
      reference: { what: 'standard error', value: heap.standardError },
    },
    { measure: `${name}: resident at the end`, value: settled.at(-1)?.residentMiB ?? Number.NaN, unit: 'MiB' },
    left('descriptors', ({ descriptors }) => descriptors),
    left('timers', ({ resources }) => resources['Timeout'] ?? 0),
    left('other handles and requests', other),
    { measure: `${name}: warnings of too many listeners`, value: warnings, unit: '', goal: { atMost: 0 } },
  ];
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { minutes: { type: 'string', default: '30' } } });
  await buildGoLoad();
  const { rows, samples } = await soak(Number(values.minutes));
  print(rows);
  save('soak', document({ rows, samples }));
}
