import { readFileSync } from 'node:fs';

/** Of this package: package.json lies two levels above both src/runtime/ and dist/runtime/. */
export const version: string = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
).version;
