/** What runs in the PID namespace: `node inside.ts ATTACK DIRECTORY COUNT`. Prints its tallies as JSON. */
import { attacks } from './attacks.ts';
import { Stage } from './stage.ts';

const [name = '', directory = '', count = '0'] = process.argv.slice(2);
const attack = attacks[name as keyof typeof attacks];
{
  await using stage = await Stage.open(directory);
  process.stdout.write(`${JSON.stringify(await attack(stage, Number(count)))}\n`);
}
process.exit(0);
