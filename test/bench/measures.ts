/** What is measured of a running mayfly: each function is one row of the table. */
import type { Mayfly } from '../integration/fixture.ts';
import type { Rate } from './load.ts';
import type { Loader } from './loader.ts';
import { cpuSeconds, nowMs, residentKiB } from './process-stat.ts';
import type { Racers } from './racers.ts';

export interface Measured {
  readonly perSecond: number;
  readonly perCpuSecond: number;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
}

const jwtPath = '/SpiffeWorkloadAPI/FetchJWTSVID';
const x509Path = '/SpiffeWorkloadAPI/FetchX509SVID';
const runMs = 4_000;
const warmMs = 1_500;

export async function jwt(mayfly: Mayfly, load: Loader, fresh: boolean, expected = '0'): Promise<Measured> {
  const order = { kind: 'calls', socket: mayfly.socket, path: jwtPath, lanes: 64, fresh } as const;
  await load.rate({ ...order, ms: warmMs });
  return rated(mayfly, expected, () => load.rate({ ...order, ms: runMs }));
}

/** The same process again and again: it has an SVID already. */
export async function connections(mayfly: Mayfly, load: Loader): Promise<Measured> {
  const order = { kind: 'connects', socket: mayfly.socket, path: x509Path, lanes: 32 } as const;
  await load.rate({ ...order, ms: warmMs });
  return rated(mayfly, 'message', () => load.rate({ ...order, ms: runMs }));
}

/** Another process each time: a key, a signature and records for each. What went wrong is told, and is not counted. */
export async function processes(mayfly: Mayfly, racers: Racers): Promise<Measured & { complaints: readonly string[] }> {
  await racers.race(32, warmMs / 1000);
  const [cpu, start] = [cpuSeconds(mayfly.pid), performance.now()];
  const { answered, complaints } = await racers.race(32, runMs / 1000);
  const perSecond = answered / ((performance.now() - start) / 1000);
  const perCpuSecond = answered / (cpuSeconds(mayfly.pid) - cpu);
  return { perSecond, perCpuSecond, p50Ms: undefined, p99Ms: undefined, complaints };
}

async function rated(mayfly: Mayfly, expected: string, work: () => Promise<Rate>): Promise<Measured> {
  const cpu = cpuSeconds(mayfly.pid);
  const { count, seconds, p50Ms, p99Ms, statuses } = await work();
  const others = Object.entries(statuses).filter(([status]) => status !== expected);
  if (others.length > 0) throw new Error(`unexpected answers: ${JSON.stringify(others)}`);
  return { perSecond: count / seconds, perCpuSecond: count / (cpuSeconds(mayfly.pid) - cpu), p50Ms, p99Ms };
}

/** From the operator's request to the SVID on a stream that was open before. */
export async function push(mayfly: Mayfly, load: Loader, rounds: number): Promise<{ p50Ms: number; p99Ms: number }> {
  let heard: (at: number) => void = () => undefined;
  await load.listen({ socket: mayfly.socket, path: x509Path }, (at) => heard(at));
  const next = (): Promise<number> => new Promise((resolve) => (heard = resolve));
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    // Messages to one caller are 20 ms apart at least: an operator's next order comes later than that.
    await new Promise((resolve) => setTimeout(resolve, 30));
    const [arrival, start] = [next(), nowMs()];
    const entry = await mayfly.operator.create({ spiffeId: `spiffe://example.org/push-${round}`, selectors: own() });
    times.push((await arrival) - start);
    await new Promise((resolve) => setTimeout(resolve, 30));
    const gone = next();
    await mayfly.operator.remove(entry);
    await gone;
  }
  times.sort((a, b) => a - b);
  return { p50Ms: times[rounds >> 1] ?? Number.NaN, p99Ms: times[Math.ceil(rounds * 0.99) - 1] ?? Number.NaN };
}

/** Streams that one process holds, each on a connection of its own. */
export async function streamMemory(mayfly: Mayfly, load: Loader, streams: number): Promise<number> {
  const before = residentKiB(mayfly.pid);
  await load.hold({ socket: mayfly.socket, path: x509Path }, streams);
  return (residentKiB(mayfly.pid) - before) / streams;
}

/** Processes with one stream each. */
export async function processMemory(mayfly: Mayfly, racers: Racers, count: number): Promise<number> {
  const before = residentKiB(mayfly.pid);
  using _held = await racers.hold(count);
  return (residentKiB(mayfly.pid) - before) / count;
}

/** What every process of this user has. */
export const own = (): string[] => [`unix:uid:${process.geteuid?.()}`];
