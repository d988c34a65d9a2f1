/**
 * The command line for a user who may not be able to read this checkout: root loads it, the user runs it.
 *
 *   node command-as-user.ts UID COMMAND…
 */
import { globSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { become } from './become.ts';

// Node would look for a file again that it has loaded.
registerHooks({
  resolve: (specifier, context, next) => {
    if (!/^\.\.?\/.*\.ts$/.test(specifier)) return next(specifier, context);
    return { url: new URL(specifier, context.parentURL).href, format: 'module-typescript', shortCircuit: true };
  },
});

const source = fileURLToPath(new URL('../../src', import.meta.url));
const [uid = ''] = process.argv.splice(2, 1);
for (const file of globSync(['cli/*.ts', 'sdk/client.ts'], { cwd: source, exclude: ['**/*.test.ts'] })) {
  await import(`${source}/${file}`);
}
const { main } = await import('../../src/cli/run.ts');
become(Number(uid));
await main();
