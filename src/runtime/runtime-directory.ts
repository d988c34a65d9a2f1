import { join } from 'node:path';
import { environment } from './environment.ts';
import { ensurePrivateDirectory } from './files.ts';

/** A directory that only this user can enter, for sockets and files that last no longer than the host runs. */
export function privateRuntimeDirectory(): string {
  const base = environment.runtimeDirectory();
  ensurePrivateDirectory(base);
  const directory = join(base, 'mayfly');
  ensurePrivateDirectory(directory);
  return directory;
}
