/** What runs in the PID namespace: `node inside.ts pid-reuse DIRECTORY COUNT`. Prints its tally as JSON. */
import { pidReuse } from './pid-reuse.ts';
import { Stage } from './stage.ts';

const [attack = '', directory = '', count = '0'] = process.argv.slice(2);
const attacks = { 'pid-reuse': pidReuse };
const run = attacks[attack as keyof typeof attacks];
{
  await using stage = await Stage.open(directory);
  process.stdout.write(`${JSON.stringify(await run(stage, Number(count)))}\n`);
}
process.exit(0);
