/** A step that takes long: a disk that is slow, a machine that has something else to do, a process that is stopped. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Failpoint } from '../../../src/runtime/failpoints.ts';
import { Broken } from '../broken.ts';
import type { Work } from '../lane.ts';
import { filePoints, livePoints, rotationPoints } from '../points.ts';
import type { Scene } from '../scene.ts';

const usualMs = 300;
/** Now and then the event loop stands still for as long as that (fault 26). */
const longestMs = 2_000;
const oneLongIn = 25;
const reachMs = 1_500;

export const stalls =
  (count: number): Work =>
  async (lane) => {
    const { scene, tally } = lane;
    while (!lane.over) {
      for (const at of scene.chance.shuffled([...livePoints, ...filePoints, ...rotationPoints])) {
        if (tally.injected >= count || lane.over) return;
        if (!scene.alive) await scene.start();
        const ms = scene.chance.below(oneLongIn) === 0 ? longestMs : 20 + scene.chance.below(usualMs);
        const stop = scene.chance.below(2) === 0;
        scene.history.write({ t: 'fault', kind: tally.kind, what: `${stop ? 'stopped' : 'slow'} at ${at}` });
        if (await stall(scene, at, stop, ms))
          tally.inject(26, stop ? 'stopped at a failpoint' : 'slow at a failpoint', at);
        tally.check('I14');
      }
    }
  };

async function stall(scene: Scene, at: Failpoint, stop: boolean, ms: number): Promise<boolean> {
  const { issuer } = scene;
  const hits = issuer.hits.length + 1;
  await issuer.arm({ at, action: stop ? 'pause' : `delay ${ms}`, after: scene.chance.below(3) });
  const orders = order(scene, at, hits);
  if ((await issuer.hit(hits, reachMs)) && stop) await pause(ms);
  await resumed(scene);
  await orders;
  return issuer.hits.length >= hits;
}

/** It may have come to the step only now, and stand there. */
async function resumed(scene: Scene): Promise<void> {
  const disarmed = scene.issuer.disarm().then(() => true);
  for (const late = performance.now() + 30_000; performance.now() < late; ) {
    scene.issuer.signal('SIGCONT');
    if (await Promise.race([disarmed, pause(20).then(() => false)])) return;
  }
  throw new Broken('it was stopped, may go on, and does not');
}

async function order(scene: Scene, at: Failpoint, hits: number): Promise<void> {
  const late = performance.now() + reachMs;
  while (scene.issuer.hits.length < hits && scene.alive && performance.now() < late) {
    if (at.startsWith('peer.')) scene.operator.connect(scene.adminSocket);
    await scene.operator.anything();
  }
}
