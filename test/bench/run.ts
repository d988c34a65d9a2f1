/**
 * `make bench`: what a real `./mayfly up` does on this machine, beside what the machine does by itself. One table and one
 * JSON document, in which every number that is promised is a row. `--only TITLE` runs what is titled so.
 */
import { parseArgs } from 'node:util';
import { buildGoLoad } from './go-load.ts';
import { authority } from './measures/authority.ts';
import { calls } from './measures/calls.ts';
import { clouds } from './measures/clouds.ts';
import { connections } from './measures/connections.ts';
import { entries } from './measures/entries.ts';
import { federation } from './measures/federation.ts';
import { issuer } from './measures/issuer.ts';
import { issuing } from './measures/issuing.ts';
import type { Measure } from './measures/measure.ts';
import { push } from './measures/push.ts';
import { streams } from './measures/streams.ts';
import { references } from './references.ts';
import { document, print, save } from './report.ts';
import type { Row } from './row.ts';
import { soak } from './soak.ts';

const soakMinutes = 2;
const shortSoak: Measure = { title: 'soak', run: async () => (await soak(soakMinutes)).rows };

const measures: readonly Measure[] = [
  push,
  federation,
  issuer,
  clouds,
  calls,
  connections,
  issuing,
  streams,
  authority,
  entries,
  shortSoak,
];

const { only } = parseArgs({ options: { only: { type: 'string' } } }).values;
const chosen = measures.filter(({ title }) => only === undefined || title.includes(only));
const say = (line: string): boolean => process.stderr.write(`${line}\n`);

await buildGoLoad();
say('measuring the machine by itself');
const beside = await references();
const rows: Row[] = [];
for (const { title, run } of chosen) {
  say(`measuring ${title}`);
  try {
    rows.push(...(await run(beside)));
  } catch (error) {
    // The others are measured all the same; a run that lacks numbers is no success.
    say(`!! ${title}: ${error instanceof Error ? error.stack : error}`);
    process.exitCode = 1;
  }
}
print(rows);
save('bench', document({ rows, references: beside }));
