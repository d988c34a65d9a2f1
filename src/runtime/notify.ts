/** Telling another process that something has changed. */
import { execFile } from 'node:child_process';
import { IdentityError } from '../errors.ts';
import { readSharedFile, storageError } from './files.ts';

const longestPidFile = 64;
const commandMs = 30_000;

/** @throws IdentityError where there is no such process, or it is not ours to signal */
export function signalProcess(pid: number, signal: 'HUP' | 'USR1' | 'USR2'): void {
  try {
    process.kill(pid, `SIG${signal}`);
  } catch (error) {
    throw storageError(error, `cannot send SIG${signal} to process ${pid}`);
  }
}

/** The process that a file names; undefined where there is no file: nobody has started yet. */
export function pidIn(file: string): number | undefined {
  try {
    const text = readSharedFile(file, longestPidFile).trim();
    if (/^[1-9]\d{0,6}$/.test(text) && Number(text) > 1) return Number(text);
  } catch (error) {
    if (error instanceof IdentityError && error.code === 'not-found') return undefined;
    throw error;
  }
  throw new IdentityError('failed-precondition', `${file} does not hold the number of a process`);
}

/** Without a shell, and without an end to wait for that never comes. @throws IdentityError where it fails */
export function runCommand([program = '', ...words]: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(program, words, { timeout: commandMs, killSignal: 'SIGKILL', maxBuffer: 1024 * 1024 }, (error) => {
      if (error === null) return resolve();
      const { code, signal, killed } = error as Error & { code?: unknown; signal?: unknown; killed?: boolean };
      const ended = killed ? `had not ended after ${commandMs / 1000} s` : `ended with ${code ?? signal}`;
      reject(new IdentityError('failed-precondition', `the command ${program} ${ended}`, { cause: error }));
    });
  });
}
