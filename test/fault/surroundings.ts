/** What an issuer is started with. */

import { availableParallelism, loadavg } from 'node:os';
import type { Trap } from './issuer.ts';

export interface StartOptions {
  readonly traps?: readonly Trap[];
  readonly env?: Readonly<Record<string, string>>;
  readonly prefix?: readonly string[];
  /** What is done to it may end it, or keep it from answering, without a trap. */
  readonly mayEnd?: boolean;
  /** Only look: what is found may not be ours, and is neither written down nor furnished. */
  readonly strangers?: boolean;
  /** The issuer's clock, ahead of ours. */
  readonly aheadMs?: number;
}

/** Seconds. */
export interface Lives {
  readonly ca: number;
  readonly x509: number;
  readonly jwt: number;
}

/** Short, so that everything happens often. */
export const shortLives: Lives = { ca: 10, x509: 10, jwt: 6 };

/** Segments are small as well. */
export const settingsOf = ({ ca, x509, jwt }: Lives): string =>
  `ca_ttl: ${ca}\nx509_svid_ttl: ${x509}\njwt_svid_ttl: ${jwt}\nledger_segment_bytes: 8192\n`;

export const faketime = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/faketime/libfaketime.so.1`;

export const fakeClock = (setting: string): Record<string, string> => ({
  LD_PRELOAD: faketime,
  FAKETIME: setting,
  FAKETIME_DONT_FAKE_MONOTONIC: '1',
  DONT_FAKE_MONOTONIC: '1',
});

/** Of health and metrics: an address of its own for each runner, and a port for each issuer. */
export const addressOf = (uid: number): string =>
  `127.${1 + (process.pid % 250)}.${1 + (Math.floor(process.pid / 250) % 250)}.1:${uid % 60_000}`;

export const loadPerProcessor = (): number => (loadavg()[0] ?? 0) / availableParallelism();
