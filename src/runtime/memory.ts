/** The memory of this process, and how to give back what it does not use. */
import { performance } from 'node:perf_hooks';
import v8 from 'node:v8';
import { runInNewContext } from 'node:vm';
import { returnFreeMemory } from './kernel.ts';

export interface ProcessMemory {
  /** Resident, in bytes. */
  resident(): number;
  /** Share of the time since the last call in which there was something to do, from 0 to 1. */
  busy(): number;
  /** Gives back what libc holds and nobody uses; takes a millisecond, and some ten after a storm. */
  trim(): void;
  /** Gives back what V8 holds and nobody uses. Stands still for a tenth of a second, or longer where much is alive. */
  collect(): void;
}

export function processMemory(): ProcessMemory {
  let seen = performance.eventLoopUtilization();
  return {
    resident: () => process.memoryUsage.rss(),
    busy: () => {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, seen);
      seen = now;
      return utilization;
    },
    trim: returnFreeMemory,
    collect: () => collector()({ type: 'major', execution: 'sync', flavor: 'last-resort' }),
  };
}

/**
 * V8 keeps pages that it emptied for the next storm. Only a collection of this kind parts with them, and Node itself has no
 * way to ask for one.
 */
function collector(): (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void {
  v8.setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as ReturnType<typeof collector>;
}
