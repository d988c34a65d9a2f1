/** What this machine can do by itself, in the same run: figures of mayfly mean little without it. */
import { execFile } from 'node:child_process';
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Signatures per second of one core, as openssl measures itself. */
export async function opensslSignsPerSecond(): Promise<number> {
  const { stdout } = await promisify(execFile)('openssl', ['speed', '-seconds', '2', 'ecdsap256']);
  const [, signs] = /nistp256\)\s+\S+\s+\S+\s+([\d.]+)/.exec(stdout) ?? [];
  return Number(signs);
}

/** Appends of one record's size, each synced, one after the other. */
export function syncsPerSecond(directory: string): number {
  const path = join(directory, 'sync-probe');
  const file = openSync(path, 'w', 0o600);
  const record = Buffer.alloc(600, 'x');
  let count = 0;
  const start = performance.now();
  for (; performance.now() < start + 1_500; count++) {
    writeSync(file, record);
    fdatasyncSync(file);
  }
  const seconds = (performance.now() - start) / 1000;
  closeSync(file);
  rmSync(path);
  return count / seconds;
}
