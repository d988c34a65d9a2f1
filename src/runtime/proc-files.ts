import { closeSync, readSync } from 'node:fs';
import { openBelow } from './kernel.ts';
import { parseStartTime } from './proc-text.ts';

/** /proc/PID/status is some 1.4 KiB; a process with the most groups (65536) passes this and is refused as doubt. */
const text = Buffer.alloc(64 * 1024);

/** In the shared buffer: compare or copy before the next read. */
export const readStatus = (status: number): Buffer => text.subarray(0, readSync(status, text, 0, text.length, 0));

/** @param directory of the process in /proc, open */
export function startTimeOf(directory: number): bigint {
  const fd = openBelow(directory, 'stat');
  try {
    return parseStartTime(text.subarray(0, readSync(fd, text, 0, 4096, 0)));
  } finally {
    closeSync(fd);
  }
}
