/** It is asked to end, or told other things, while it works. */
import { setTimeout as pause } from 'node:timers/promises';
import { Broken } from '../broken.ts';
import type { Work } from '../lane.ts';
import type { Scene } from '../scene.ts';

const longestStopMs = 30_000;

export const signals =
  (count: number): Work =>
  async (lane) => {
    const { scene, tally } = lane;
    while (tally.injected < count && !lane.over) {
      if (!scene.alive) await scene.start();
      const way = scene.chance.of(ways);
      if (way === undefined) return;
      const orders = orderUntilEnd(scene);
      await pause(scene.chance.below(250));
      scene.history.write({ t: 'fault', kind: tally.kind, what: way.name });
      await way.send(scene);
      await orders;
      tally.inject(45, way.name);
      tally.check('I14');
    }
  };

const ways: readonly { readonly name: string; readonly send: (scene: Scene) => Promise<void> }[] = [
  { name: 'SIGTERM under load', send: (scene) => inOrder(scene, 'SIGTERM') },
  { name: 'SIGTERM under load', send: (scene) => inOrder(scene, 'SIGTERM') },
  { name: 'SIGINT under load', send: (scene) => inOrder(scene, 'SIGINT') },
  { name: 'SIGTERM twice', send: twice },
  { name: 'SIGHUP again and again, then SIGTERM', send: reloaded },
  { name: 'SIGQUIT', send: (scene) => anyhow(scene, 'SIGQUIT') },
];

async function inOrder(scene: Scene, signal: NodeJS.Signals): Promise<void> {
  const asked = performance.now();
  scene.issuer.signal(signal);
  const { code } = await scene.ended();
  if (code !== 0) throw new Broken(`after ${signal} it ended with ${code}`);
  if (performance.now() - asked > longestStopMs)
    throw new Broken(`after ${signal} it took more than half a minute to end`);
}

/** The second says: now. */
async function twice(scene: Scene): Promise<void> {
  scene.issuer.signal('SIGTERM');
  await pause(scene.chance.below(20));
  scene.issuer.signal('SIGTERM');
  await scene.ended();
}

/** The settings are read again, and nobody notices. */
async function reloaded(scene: Scene): Promise<void> {
  for (let count = 1 + scene.chance.below(10); count > 0; count--) {
    scene.issuer.signal('SIGHUP');
    await pause(scene.chance.below(15));
  }
  if (!scene.alive) throw new Broken('SIGHUP ended it');
  await inOrder(scene, 'SIGTERM');
}

async function anyhow(scene: Scene, signal: NodeJS.Signals): Promise<void> {
  scene.issuer.signal(signal);
  await scene.ended();
}

async function orderUntilEnd(scene: Scene): Promise<void> {
  const { issuer } = scene;
  for (let count = 0; count < 2_000 && !issuer.ended; count++) if (!(await scene.operator.anything())) await pause(5);
}
