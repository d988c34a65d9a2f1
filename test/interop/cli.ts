/**
 * The command line for a user who may not be able to read this checkout: root loads it, the user runs it.
 *
 *   node cli.ts UID COMMAND…
 */
import { become } from '../integration/become.ts';

const [uid = ''] = process.argv.splice(2, 1);
// What the commands of a workload load when they need it.
await import('../../src/sdk/client.ts');
for (const command of ['fetch', 'fetch-bundles', 'fetch-jwt', 'fetch-x509']) {
  await import(`../../src/cli/${command}.ts`);
}
const { main } = await import('../../src/cli/run.ts');
become(Number(uid));
await main();
