/**
 * One attack against one server: measured before, during and after, and judged.
 *
 * An attacker that never rests takes a core, and the neighbour would feel that if mayfly were not there. So a second
 * neighbour on a second server, which nobody attacks, is measured at the same time: what both suffer is the machine's.
 */
import { pause } from '../integration/fixture.ts';
import type { Attack } from './attacks.ts';
import type { Counts } from './hostile.ts';
import type { Measured } from './neighbour.ts';
import type { Scene } from './scene.ts';

export interface Pace {
  readonly quietMs: number;
  readonly attackMs: number;
  /** Attacks of so many calls go on until they were made. */
  readonly toTheEnd: boolean;
  /** How long after the attack memory is looked at. */
  readonly settleMs: number;
}

interface Latency {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly connectP99: number;
}

export interface Figures {
  readonly attack: string;
  /** Before the attack. */
  readonly quiet: Latency;
  /** At the same time, beside a server that is not attacked. */
  readonly beside: Latency;
  readonly during: Latency;
  readonly failures: readonly string[];
  readonly mib: { readonly before: number; readonly peak: number; readonly after: number; readonly settleMs: number };
  readonly descriptors: { readonly before: number; readonly peak: number; readonly after: number };
  /** Of one core. */
  readonly cpuShare: number;
  readonly attacker: Counts;
  readonly faults: readonly string[];
}

export const limits = { timesQuiet: 3, leastP99Ms: 5, leftMiB: 64, leftDescriptors: 5 } as const;

export async function trial(scene: Scene, control: Scene, attack: Attack, pace: Pace): Promise<Figures> {
  const quiet = await scene.neighbour(pace.quietMs);
  const before = { mib: scene.residentMiB, descriptors: scene.descriptors, cpu: scene.cpuSeconds };
  const peak = watchPeak(scene);
  const begun = performance.now();
  const until = pace.toTheEnd ? attack.until : undefined;
  const attacking = scene.attack(attack, { ms: pace.attackMs, until, niceness: 19 });
  const [during, beside] = await Promise.all([scene.neighbour(attacking), control.neighbour(attacking)]);
  const attacker = await attacking;
  const cpuShare = (scene.cpuSeconds - before.cpu) / ((performance.now() - begun) / 1000);
  const late = performance.now() + pace.settleMs;
  do await pause(1_000);
  while (performance.now() < late && scene.residentMiB > before.mib + limits.leftMiB / 2);
  const { failures } = await scene.neighbour(500);
  const mib = {
    before: before.mib,
    peak: peak().mib,
    after: scene.residentMiB,
    settleMs: Math.round(performance.now() - late + pace.settleMs),
  };
  const descriptors = { before: before.descriptors, peak: peak().descriptors, after: scene.descriptors };
  const figures = {
    attack: attack.name,
    quiet: latency(quiet),
    beside: latency(beside),
    during: latency(during),
    failures: [...during.failures, ...failures],
    mib,
    descriptors,
    cpuShare,
    attacker,
  };
  return { ...figures, faults: faultsOf(figures) };
}

export function faultsOf({ quiet, beside, during, failures, mib, descriptors }: Omit<Figures, 'faults'>): string[] {
  const undisturbed = Math.max(quiet.p99, beside.p99);
  const allowed = Math.max(undisturbed * limits.timesQuiet, limits.leastP99Ms);
  return [
    during.p99 > allowed ? `p99 ${(during.p99 / undisturbed).toFixed(1)}x` : '',
    during.count === 0 ? 'neighbour not served' : '',
    failures.length > 0 ? 'neighbour failed' : '',
    mib.after > mib.before + limits.leftMiB ? 'memory kept' : '',
    descriptors.after > descriptors.before + limits.leftDescriptors ? 'descriptors kept' : '',
  ].filter((fault) => fault !== '');
}

function latency({ calls, connects }: Measured): Latency {
  const sorted = [...calls].sort((a, b) => a - b);
  return {
    count: calls.length,
    p50: at(sorted, 0.5),
    p99: at(sorted, 0.99),
    max: at(sorted, 1),
    connectP99: at(
      [...connects].sort((a, b) => a - b),
      0.99,
    ),
  };
}

const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;

function watchPeak(scene: Scene): () => { mib: number; descriptors: number } {
  const peak = { mib: 0, descriptors: 0 };
  const look = (): void => {
    peak.mib = Math.max(peak.mib, scene.residentMiB);
    peak.descriptors = Math.max(peak.descriptors, scene.descriptors);
  };
  const timer = setInterval(look, 100);
  return () => {
    clearInterval(timer);
    look();
    return peak;
  };
}
