/** What the kernel says a process has used. */
import { readFileSync } from 'node:fs';

/** USER_HZ: /proc counts hundredths of a second on every architecture that mayfly runs on. */
const ticksPerSecond = 100;

/** User and system time of all its threads, in seconds. Fields are counted after the command's name, which may hold anything. */
export function cpuSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

export function residentKiB(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return Number(line?.[1]);
}

/** Monotonic and the same in every process of this machine, so that two processes can time one event. */
export const nowMs = (): number => Number(process.hrtime.bigint() / 1000n) / 1000;
