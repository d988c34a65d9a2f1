/**
 * One attacker: a process of its own under a uid of its own. Loads as whoever started it, then becomes the stranger, so
 * that a checkout nobody else may read is no obstacle.
 */
import { attacks } from './attacks.ts';
import { Hostile, newCounts } from './hostile.ts';

export interface AttackOrder {
  readonly name: string;
  readonly socket: string;
  readonly uid: number;
  readonly ms: number;
}

process.once('message', async ({ name, socket, uid, ms }: AttackOrder) => {
  const attack = attacks.find((known) => known.name === name);
  if (attack === undefined) throw new Error(`no such attack: ${name}`);
  process.setgroups?.([]);
  process.setgid?.(uid);
  process.setuid?.(uid);
  const counts = newCounts();
  const hostiles = Array.from({ length: attack.connections }, () => new Hostile(socket, attack, counts));
  process.once('disconnect', () => process.exit());
  await new Promise((resolve) => setTimeout(resolve, ms));
  for (const hostile of hostiles) hostile.stop();
  process.send?.(counts, () => process.exit());
});
process.send?.('ready');
