/** What runs in the PID namespace: `node inside.ts ATTACK DIRECTORY COUNT`. Prints its tally as JSON. */
import { execSwap } from './exec-swap.ts';
import { pidReuse } from './pid-reuse.ts';
import { Stage } from './stage.ts';

const [attack = '', directory = '', count = '0'] = process.argv.slice(2);
const attacks = { 'pid-reuse': pidReuse, 'exec-swap': execSwap };
const run = attacks[attack as keyof typeof attacks];
{
  await using stage = await Stage.open(directory);
  process.stdout.write(`${JSON.stringify(await run(stage, Number(count)))}\n`);
}
process.exit(0);
