/**
 * One attacker: a process of its own under a uid of its own. Loads as whoever started it, then becomes the stranger, so
 * that a checkout nobody else may read is no obstacle.
 *
 * Where time is judged its priority is the lowest. What is judged is what mayfly does to the neighbour, not what the scheduler of the machine
 * does to a process that shares its cores with one that never rests; with two cores those are three.
 */
import os from 'node:os';
import { attacks } from './attacks.ts';
import { type Counts, Hostile, newCounts } from './hostile.ts';

export interface AttackOrder {
  readonly name: string;
  readonly socket: string;
  readonly uid: number;
  readonly ms: number;
  /** Goes on until it has come so far, and at most twenty times as long as `ms`. */
  readonly until?: Partial<Counts> | undefined;
  /** As in nice(1). */
  readonly niceness: number;
}

process.once('message', async ({ name, socket, uid, ms, until = {}, niceness }: AttackOrder) => {
  const attack = attacks.find((known) => known.name === name);
  if (attack === undefined || !('script' in attack)) throw new Error(`no such attack: ${name}`);
  os.setPriority(niceness);
  process.setgroups?.([]);
  process.setgid?.(uid);
  process.setuid?.(uid);
  const counts = newCounts();
  const hostiles = Array.from({ length: attack.connections }, () => new Hostile(socket, attack, counts));
  process.once('disconnect', () => process.exit());
  const enough = new Promise<void>((resolve) => process.once('message', () => resolve()));
  const pause = (): Promise<void> => Promise.race([enough, new Promise<void>((resolve) => setTimeout(resolve, ms))]);
  await pause();
  const goals = Object.entries(until) as [keyof Counts, number][];
  const isThere = (): boolean => goals.every(([name, goal]) => counts[name] >= goal);
  for (let times = 1; !isThere() && times < 20; times++) await pause();
  for (const hostile of hostiles) hostile.stop();
  process.send?.(counts, () => process.exit());
});
process.send?.('ready');
