/** Rows for whatever is done again and again: how often, at what cost, and how long each takes. */
import { cpuSeconds } from './process-stat.ts';
import type { Goal, Row } from './row.ts';

/** What a load generator saw. */
export interface Load {
  readonly count: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** The same with what it cost the server. */
export interface Rate extends Load {
  readonly cpuSeconds: number;
}

type Figures<T> = { readonly [figure in 'perSecond' | 'perCpuSecond' | 'p99Ms']?: T };

export interface Beside {
  readonly goals?: Figures<Goal>;
  readonly spire?: Figures<string>;
  readonly reference?: { readonly what: string; readonly rate: Rate };
}

/** CPU and wall seconds around `work`. */
export async function costing<T>(pid: number, work: () => Promise<T>) {
  const [cpu, start] = [cpuSeconds(pid), performance.now()];
  const result = await work();
  return { result, cpuSeconds: cpuSeconds(pid) - cpu, wallSeconds: (performance.now() - start) / 1000 };
}

/** Once to warm up, once for the figures. */
export async function rateOf(pid: number, run: (seconds: number) => Promise<Load>, seconds = 4): Promise<Rate> {
  await run(1.5);
  const { result, cpuSeconds } = await costing(pid, () => run(seconds));
  return { ...result, cpuSeconds };
}

export function rateRows(measure: string, rate: Rate, { goals, spire, reference }: Beside = {}): Row[] {
  const cost = { cpuSeconds: rate.cpuSeconds, wallSeconds: rate.seconds };
  const row = (figure: keyof Figures<Goal>, unit: Row['unit']): Row => ({
    measure: figure === 'p99Ms' ? `${measure}, p99` : measure,
    ...{ value: figures[figure](rate), unit, goal: goals?.[figure], spire: spire?.[figure] },
    reference: reference && { what: reference.what, value: figures[figure](reference.rate) },
    ...cost,
  });
  return [row('perSecond', '/s'), row('perCpuSecond', '/cpu s'), row('p99Ms', 'ms')];
}

const figures: Readonly<Record<keyof Figures<Goal>, (rate: Rate) => number>> = {
  perSecond: ({ count, seconds }) => count / seconds,
  perCpuSecond: ({ count, cpuSeconds }) => count / cpuSeconds,
  p99Ms: ({ p99Ms }) => p99Ms,
};

export const share = (values: readonly number[], of: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * of))] ?? Number.NaN;
