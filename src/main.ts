import { keepCompiledCode } from './runtime/compile-cache.ts';

// Before anything else is loaded, so that everything else is loaded from it.
keepCompiledCode();
const { main } = await import('./cli/run.ts');
await main();
