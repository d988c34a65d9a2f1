import { IdentityError } from '../errors.ts';

/** A debugger, snapshots and profiles of the heap, reports with the environment, and traces: each may hold a key. */
const observing =
  /--(?:inspect|heapsnapshot|heap-prof|cpu-prof|prof\b|report|abort-on-uncaught|trace|track|perf|interpreted-frames)/;

/** @throws IdentityError 'failed-precondition' where Node was told to show, or to write down, what it holds in memory */
export function refuseObservers(nodeOptions: string): void {
  const option = nodeOptions.split(/[\s"]+/).find((each) => observing.test(each.replaceAll('_', '-')));
  if (option === undefined) return;
  const message = `NODE_OPTIONS has ${option.split('=')[0]}, which would show keys to others: unset it, then start again`;
  throw new IdentityError('failed-precondition', message, { reason: 'observed' });
}
