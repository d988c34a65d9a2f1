/** A step that takes long: a disk that is slow, a machine that has something else to do, a process that is stopped. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Work } from '../lane.ts';
import { filePoints, livePoints, rotationPoints } from '../points.ts';

const longestMs = 300;
const reachMs = 1_500;

export const stalls =
  (count: number): Work =>
  async (lane) => {
    const { scene, tally } = lane;
    while (!lane.over) {
      for (const at of scene.chance.shuffled([...livePoints, ...filePoints, ...rotationPoints])) {
        if (tally.injected >= count || lane.over) return;
        if (!scene.alive) await scene.start();
        const ms = 20 + scene.chance.below(longestMs);
        const stop = scene.chance.below(2) === 0;
        const hits = scene.issuer.hits.length;
        await scene.issuer.arm({ at, action: stop ? 'pause' : `delay ${ms}`, after: scene.chance.below(3) });
        const orders = order(scene, hits + 1);
        if (await scene.issuer.hit(hits + 1, reachMs)) {
          tally.inject(stop ? 'stopped at a failpoint' : 'slow at a failpoint', at);
          if (stop) await pause(ms);
          scene.issuer.signal('SIGCONT');
        }
        await orders;
        await scene.issuer.disarm();
      }
    }
  };

async function order(scene: Parameters<Work>[0]['scene'], hits: number): Promise<void> {
  const late = performance.now() + reachMs;
  while (scene.issuer.hits.length < hits && scene.alive && performance.now() < late) await scene.operator.anything();
}
