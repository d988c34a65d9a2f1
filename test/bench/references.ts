/** What this machine does by itself, in the same run: figures of mayfly mean little without it. */
import { execFile } from 'node:child_process';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { withFixedAnswer } from './fixed-answer-process.ts';
import { goLoad } from './go-load.ts';
import { h2load } from './h2load.ts';
import { residentKiB } from './process-stat.ts';
import { type Rate, rateOf } from './rates.ts';
import { holdStreams } from './streams.ts';

export interface References {
  /** ECDSA on P-256, each second of one core, as openssl measures itself. */
  readonly signsPerSecond: number;
  readonly fsyncMs: number;
  /** A fixed answer by bare `node:http2`, asked by each load generator. */
  readonly bare: {
    readonly h2loadCalls: Rate;
    readonly goCalls: Rate;
    readonly goConnects: Rate;
    readonly kibPerStream: number;
  };
}

export async function references(): Promise<References> {
  const bareRates = await withFixedAnswer('node-http2', async (pid, socket) => ({
    h2loadCalls: await rateOf(pid, (seconds) => h2load(socket, seconds, (bytes) => bytes > 100), 2),
    goCalls: await rateOf(pid, (seconds) => goLoad('calls', socket, { seconds, lanes: 64 }), 2),
    goConnects: await rateOf(pid, (seconds) => goLoad('connects', socket, { seconds, lanes: 32 }), 2),
  }));
  const kibPerStream = await withFixedAnswer('node-http2', (pid, socket) => streamKiB(pid, socket, 2_000));
  return {
    signsPerSecond: await opensslSignsPerSecond(),
    fsyncMs: 1000 / syncsPerSecond(),
    bare: { ...bareRates, kibPerStream },
  };
}

/** In a process that has done nothing else: one that has been busy hides new streams in memory it already has. */
export async function streamKiB(pid: number, socket: string, count: number): Promise<number> {
  using held = await holdStreams(socket, count / 10);
  const before = residentKiB(pid);
  await held.hold(count);
  return (residentKiB(pid) - before) / count;
}

async function opensslSignsPerSecond(): Promise<number> {
  const { stdout } = await promisify(execFile)('openssl', ['speed', '-seconds', '2', 'ecdsap256']);
  const [, signs] = /nistp256\)\s+\S+\s+\S+\s+([\d.]+)/.exec(stdout) ?? [];
  return Number(signs);
}

/** Appends of one record's size, each synced, one after the other, where the issuers of this run keep their ledgers. */
function syncsPerSecond(): number {
  const directory = mkdtempSync(join(tmpdir(), 'mayfly-sync-'));
  const file = openSync(join(directory, 'probe'), 'w', 0o600);
  const record = Buffer.alloc(600, 'x');
  let count = 0;
  const start = performance.now();
  for (; performance.now() < start + 1_500; count++) {
    writeSync(file, record);
    fdatasyncSync(file);
  }
  const seconds = (performance.now() - start) / 1000;
  closeSync(file);
  rmSync(directory, { recursive: true });
  return count / seconds;
}
