/** Runs `fixed-answer.ts` for as long as somebody asks it. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export async function withFixedAnswer<T>(
  server: string,
  work: (pid: number, socket: string) => Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'mayfly-bench-'));
  const socket = join(directory, 's');
  const child = fork(join(import.meta.dirname, 'fixed-answer.ts'), [server, socket]);
  try {
    await once(child, 'message');
    return await work(child.pid ?? 0, socket);
  } finally {
    child.kill();
    rmSync(directory, { recursive: true, force: true });
  }
}
