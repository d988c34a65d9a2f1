/** Can this kernel, and the /proc that is mounted here, tell one process from another? Asked before the first is believed. */
import { readFileSync } from 'node:fs';
import { IdentityError } from '../errors.ts';
import { hasPeerPidfd } from './kernel.ts';

/** @throws IdentityError 'failed-precondition' where processes could be taken for each other */
export function assertSight(): void {
  if (!hasPeerPidfd()) {
    throw refusal('this kernel cannot say which process is at the other end of a socket; Linux 6.5 or newer can');
  }
  if (ownPidIn(readSelf()) !== process.pid) {
    throw refusal(
      '/proc is that of another PID namespace: its pids are others; mount one for this namespace (mount -t proc proc /proc)',
    );
  }
}

/** NStgid lists the pids of a process from the namespace of the mounted /proc down to its own: one, where that is ours. */
export const ownPidIn = (status: string): number => Number(/^NStgid:\t(\d+)$/m.exec(status)?.[1]);

function readSelf(): string {
  try {
    return readFileSync('/proc/self/status', 'latin1');
  } catch (cause) {
    throw refusal('/proc cannot be read, and only there is told who a caller is: mount -t proc proc /proc', cause);
  }
}

const refusal = (message: string, cause?: unknown): IdentityError =>
  new IdentityError('failed-precondition', message, { cause });
