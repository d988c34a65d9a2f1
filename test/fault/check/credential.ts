/** Something a workload was given, with what must agree. */
import type { Capture } from '../captures.ts';

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
