/** 100,000 entries: loading them, starting with them, being idle with them, and what the first SVID costs beside few. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { launcher, type Mayfly, pause, run, startMayfly } from '../../integration/fixture.ts';
import { goLoad } from '../go-load.ts';
import { cpuSeconds, residentKiB } from '../process-stat.ts';
import { costing } from '../rates.ts';
import { type Measure, own } from './measure.ts';

const many = 100_000;
const few = 100;
const idleSeconds = 10;

export const entries: Measure = {
  title: '100,000 entries',
  run: async () => {
    const { withFew, loaded, directory } = await load();
    const start = performance.now();
    await using mayfly = await startMayfly({ directory });
    const startSeconds = (performance.now() - start) / 1000;
    const withMany = await firstSvidMs(mayfly);
    await pause(2_000);
    const cpu = cpuSeconds(mayfly.pid);
    await pause(idleSeconds * 1000);
    const idlePercent = ((cpuSeconds(mayfly.pid) - cpu) / idleSeconds) * 100;
    const { cpuSeconds: loadCpu, wallSeconds } = loaded;
    return [
      {
        measure: '100,000 entries: loaded by one call of the command line',
        ...{ value: wallSeconds, unit: 's', goal: { atMost: 5 }, spire: '85', cpuSeconds: loadCpu, wallSeconds },
      },
      { measure: '100,000 entries: start, after kill -9', value: startSeconds, unit: 's', goal: { atMost: 3 } },
      {
        measure: '100,000 entries: idle',
        ...{ value: idlePercent, unit: '%', goal: { below: 0.5 }, spire: '29', wallSeconds: idleSeconds },
      },
      {
        measure: '100,000 entries: first SVID on a new connection, p50',
        ...{ value: withMany, unit: 'ms', goal: { atMost: 1.2 * withFew } },
        reference: { what: 'with 100 entries', value: withFew },
      },
      {
        measure: '100,000 entries: resident, after a start',
        ...{ value: residentKiB(mayfly.pid) / 1024, unit: 'MiB', goal: { atMost: 250 }, spire: '321 + agent' },
      },
    ];
  },
};

/** Ends with an issuer killed, and its directory as it was then. */
async function load() {
  const mayfly = await startMayfly();
  await mayfly.operator.create({ spiffeId: 'spiffe://example.org/bench', selectors: own() });
  await create(mayfly, 'few', few);
  const withFew = await firstSvidMs(mayfly);
  const loaded = await costing(mayfly.pid, () => create(mayfly, 'many', many));
  mayfly.operator[Symbol.dispose]();
  await mayfly.stop('SIGKILL');
  return { withFew, loaded, directory: mayfly.directory };
}

async function create({ directory, adminSocket }: Mayfly, name: string, count: number): Promise<void> {
  const file = join(directory, `${name}.ndjson`);
  const line = (_: unknown, i: number): string =>
    JSON.stringify({
      spiffeId: `spiffe://example.org/${name}/${i}`,
      selectors: [`unix:uid:${50_000 + (i % 5_000)}`, `unix:path:/opt/${i}`],
      ...{ owner: 'ada', audiences: ['aws'] },
    });
  writeFileSync(file, `${Array.from({ length: count }, line).join('\n')}\n`);
  const words = ['entry', 'create', '--file', file, '--json', '--admin-socket', adminSocket];
  const { status, stderr } = await run(launcher, words, { timeout: 120_000, maxBuffer: 2 ** 28 });
  if (status !== 0) throw new Error(stderr);
}

/** One at a time: no queue is measured. */
const firstSvidMs = async ({ socket }: Mayfly): Promise<number> => {
  await goLoad('connects', socket, { seconds: 0.5, lanes: 1 });
  return (await goLoad('connects', socket, { seconds: 1.5, lanes: 1 })).p50Ms;
};
