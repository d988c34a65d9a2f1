/** Something a workload was given, with what must agree. */
import type { Capture } from '../captures.ts';
import { aheadAt, type Event, resumedBefore, waitedIn } from './files.ts';

export interface Credential {
  /** Serial number or jti. */
  readonly name: string;
  readonly id: string;
  /** Of the authority. */
  readonly issuer: string;
  /** By the issuer's clock. */
  readonly notAfter: number;
  /** How it was given first. */
  readonly capture: Capture;
}

/** What was in the pipe when its end came. */
export const graceMs = 1_500;

/**
 * How long after its end something was given; 0 where it was in time, was on its way when the issuer was stopped, or where
 * others had the processor meanwhile.
 */
export function lateness(history: readonly Event[]): (at: number, notAfter: number, isFirst: boolean) => number {
  const ahead = aheadAt(history);
  const resumed = resumedBefore(history);
  const waited = waitedIn(history);
  return (at, notAfter, isFirst) => {
    const late = at + ahead(at).least - notAfter;
    if (late < graceMs || (isFirst && resumed(at))) return 0;
    return late - waited(at - late - graceMs, at) < graceMs ? 0 : late;
  };
}
