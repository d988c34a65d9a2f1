import { lstatSync, mkdirSync, type Stats } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';

/**
 * Keeps compiled code between runs, which makes commands start faster. Cached code is executed, so the directory lies
 * in the home of the user that runs (by the user database: `HOME` may be another's under sudo) and nobody else may be
 * able to write to it or to any directory above it. Where that does not hold there is no cache.
 */
export function keepCompiledCode(): void {
  try {
    const directory = join(userInfo().homedir, '.cache', 'mayfly');
    if (!isOwnAlone(userInfo().homedir)) return;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (isOwnAlone(directory)) enableCompileCache(directory);
  } catch {
    // A user without a home or with a read-only one starts a little slower.
  }
}

/** Only root and this user can change what lies at `path`. */
export function isOwnAlone(path: string): boolean {
  const found = lstatSync(path);
  return isSafe(found) && (dirname(path) === path || isOwnAlone(dirname(path)));
}

const isSafe = (found: Stats): boolean =>
  found.isDirectory() && (found.mode & 0o022) === 0 && (found.uid === 0 || found.uid === process.geteuid?.());
