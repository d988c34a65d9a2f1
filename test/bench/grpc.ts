/**
 * `node test/bench/grpc.ts`: what three ways to speak gRPC on a Unix socket cost with a fixed answer. The figures in
 * docs/decisions/0003-grpc-on-node-http2.md come from here.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Loader } from './loader.ts';
import { cpuSeconds, residentKiB } from './process-stat.ts';
import { printTable } from './table.ts';

const unary = '/SpiffeWorkloadAPI/FetchJWTSVID';
const stream = '/SpiffeWorkloadAPI/FetchX509SVID';
const streams = 2_000;

export interface GrpcCost {
  readonly server: string;
  readonly callsPerCpuSecond: number;
  readonly connectionsPerCpuSecond: number;
  readonly kibPerStream: number;
}

export async function measure(server: string, ms: number): Promise<GrpcCost> {
  const rates = await withServer(server, async (pid, socket) => {
    using load = new Loader();
    const calls = { kind: 'calls', socket, path: unary, lanes: 64, fresh: false } as const;
    const connects = { kind: 'connects', socket, path: stream, lanes: 32 } as const;
    await load.rate({ ...calls, ms: ms / 2 });
    await load.rate({ ...connects, ms: ms / 2 });
    return {
      callsPerCpuSecond: await perCpuSecond(pid, () => load.rate({ ...calls, ms })),
      connectionsPerCpuSecond: await perCpuSecond(pid, () => load.rate({ ...connects, ms })),
    };
  });
  return { server, ...rates, kibPerStream: await withServer(server, memory) };
}

/** In a process that has done nothing else: one that has been busy hides new streams in memory it already has. */
async function memory(pid: number, socket: string): Promise<number> {
  using load = new Loader();
  await load.hold({ socket, path: stream }, streams / 10);
  const before = residentKiB(pid);
  await load.hold({ socket, path: stream }, streams);
  return (residentKiB(pid) - before) / streams;
}

async function withServer<T>(server: string, work: (pid: number, socket: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'mayfly-bench-'));
  const socket = join(directory, 's');
  const child = fork(join(import.meta.dirname, 'fixed-answer.ts'), [server, socket]);
  try {
    await once(child, 'message');
    return await work(child.pid ?? 0, socket);
  } finally {
    child.kill();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function perCpuSecond(pid: number, work: () => Promise<{ count: number }>): Promise<number> {
  const before = cpuSeconds(pid);
  const { count } = await work();
  return count / (cpuSeconds(pid) - before);
}

/** Rounds in turn and their medians: other work on the machine then hits all three alike. */
export async function compare(rounds: number, ms: number): Promise<GrpcCost[]> {
  const servers = ['grpc-js', 'mayfly', 'node-http2'];
  const measured: GrpcCost[] = [];
  for (let round = 0; round < rounds; round++) for (const server of servers) measured.push(await measure(server, ms));
  return servers.map((server) => {
    const own = measured.filter((cost) => cost.server === server);
    return {
      server,
      callsPerCpuSecond: median(own.map((cost) => cost.callsPerCpuSecond)),
      connectionsPerCpuSecond: median(own.map((cost) => cost.connectionsPerCpuSecond)),
      kibPerStream: median(own.map((cost) => cost.kibPerStream)),
    };
  });
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

if (import.meta.main) {
  const rows = (await compare(5, 2_000)).map(({ server, callsPerCpuSecond, connectionsPerCpuSecond, kibPerStream }) => [
    server,
    callsPerCpuSecond.toFixed(0),
    connectionsPerCpuSecond.toFixed(0),
    kibPerStream.toFixed(1),
  ]);
  printTable(['server', 'calls per CPU s', 'new connections per CPU s', 'KiB per open stream'], rows);
}
