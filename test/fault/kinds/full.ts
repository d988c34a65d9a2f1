/** A disk that has no room left, for real: another file takes all but some pages of it, and goes away again. */
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Broken } from '../broken.ts';
import type { Work } from '../lane.ts';
import type { Scene } from '../scene.ts';

const page = 4096;
const leftPages = [0, 0, 1, 2, 3, 5, 8, 13, 40];
const longestOrders = 6;

export const fillDisk =
  (count: number): Work =>
  async (lane) => {
    const { scene, tally } = lane;
    const other = join(scene.disk.path, 'another-file');
    await scene.start();
    while (tally.injected < count && !lane.over) {
      if (!scene.alive) await scene.start();
      fill(other, (scene.chance.of(leftPages) ?? 0) * page);
      scene.history.write({ t: 'fault', kind: tally.kind, what: 'full' });
      let refused = false;
      for (let left = 1 + scene.chance.below(longestOrders); left > 0; left--)
        refused = !(await scene.operator.anything()) || refused;
      if (refused) {
        tally.inject(5, 'an order refused for want of room');
        await scene.watcher.expect(false, 5_000, 'the disk was full');
      }
      rmSync(other);
      await roomAgain(scene);
      await scene.watcher.expect(true, 10_000, 'there was room again');
    }
  };

function fill(path: string, left: number): void {
  const { bavail, bsize } = statfsSync(join(path, '..'));
  const take = Math.max(0, bavail * bsize - left);
  try {
    writeFileSync(path, Buffer.alloc(take));
  } catch {
    // The issuer has taken some of it meanwhile: fuller than meant.
  }
}

/** Nothing needs a restart. */
async function roomAgain(scene: Scene): Promise<void> {
  const late = performance.now() + 30_000;
  while (!(await scene.operator.anything())) {
    if (!scene.alive) throw new Broken('it ended when the disk was full');
    if (performance.now() > late) throw new Broken('there is room again and it takes no orders');
  }
}
