import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from './random.ts';
import { privateRuntimeDirectory } from './runtime-directory.ts';

/**
 * A directory for the files of this process alone, gone with it. What a process left that was killed without a word goes
 * when the next one of its user begins.
 */
export function passingDirectory(random: Random): Disposable & { readonly path: string } {
  const base = privateRuntimeDirectory();
  for (const name of readdirSync(base)) {
    const [, pid] = /^env-(\d+)-/.exec(name) ?? [];
    if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(base, name), { recursive: true, force: true });
  }
  const path = join(base, `env-${process.pid}-${random.bytes(6).toString('hex')}`);
  mkdirSync(path, { mode: 0o700 });
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
