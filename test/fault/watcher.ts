/** Whoever watches an issuer from outside: its readiness, its resources, and how busy the machine is with others. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { History } from './history.ts';
import { waitedMs } from './issuer.ts';

const sampleMs = 250;
const betweenLooksMs = 50;

export class Watcher {
  readonly #history: History;
  readonly #address: string;
  readonly #waited = new Map<number, number>();
  readonly #timer: NodeJS.Timeout;

  /** @param pids of whom a processor is to be had */
  constructor(history: History, address: string, pids: () => readonly number[]) {
    this.#history = history;
    this.#address = address;
    this.#timer = setInterval(() => this.#sample(pids()), sampleMs);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Asks until the answer is the one that is expected, and longer than it may take: others run on this machine. */
  async expect(ready: boolean, withinMs: number, why: string): Promise<void> {
    const begun = performance.now();
    let last = await this.#ask();
    while (last.ready !== ready && performance.now() - begun < 3 * withinMs) {
      await pause(betweenLooksMs);
      last = await this.#ask();
    }
    this.#history.write({ t: 'health', why, expected: ready, afterMs: performance.now() - begun, withinMs, ...last });
  }

  writeResources(pid: number): void {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    const number = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
    const descriptors = readdirSync(`/proc/${pid}/fd`).length;
    const residentMib = Math.round(number('VmRSS') / 1024);
    this.#history.write({ t: 'resources', descriptors, threads: number('Threads'), residentMib });
  }

  #sample(pids: readonly number[]): void {
    for (const pid of pids) this.#waited.set(pid, waitedMs(pid) ?? this.#waited.get(pid) ?? 0);
    const ms = [...this.#waited.values()].reduce((sum, one) => sum + one, 0);
    this.#history.write({ t: 'waited', ms: Math.round(ms) });
  }

  async #ask(): Promise<{ readonly ready: boolean; readonly problems: readonly string[] }> {
    try {
      const answer = await fetch(`http://${this.#address}/readyz`, { signal: AbortSignal.timeout(2_000) });
      return (await answer.json()) as { ready: boolean; problems: string[] };
    } catch (error) {
      return { ready: false, problems: [`no answer: ${String(error)}`] };
    }
  }
}
