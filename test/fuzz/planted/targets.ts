import { texts } from '../engine/target.ts';
import type { TargetEntry } from '../targets.ts';

const faults = () => import('./faults.ts');
const covers = ['../test/fuzz/planted/faults.ts'];
const run = async (name: keyof Awaited<ReturnType<typeof faults>>) => {
  const parser = (await faults())[name];
  return { seeds: texts('honest'), run: (input: Buffer) => void parser(input) };
};

/** Not among those that `make fuzz` runs. */
export const planted: Readonly<Record<string, TargetEntry>> = {
  'planted-crash': { covers, load: () => run('crash') },
  'planted-hang': { covers, load: () => run('hang') },
  'planted-silence': {
    covers,
    load: async () => ({ seeds: texts('honest'), run: (await faults()).silence }),
  },
  'planted-death': { covers, load: () => run('death') },
  'planted-slowness': { covers, load: () => run('slowness') },
};
