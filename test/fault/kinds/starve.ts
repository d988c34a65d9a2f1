/** Too few descriptors, too little memory. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Broken } from '../broken.ts';
import type { Work } from '../lane.ts';
import type { Scene } from '../scene.ts';

/** Whoever already has a connection is served on; others are again as soon as there are descriptors. */
export const withoutDescriptors =
  (count: number): Work =>
  async (lane) => {
    const { scene, tally } = lane;
    await scene.start();
    while (tally.injected < count && !lane.over) {
      if (!scene.alive) await scene.start();
      const { pid } = scene.issuer;
      const open = readdirSync(`/proc/${pid}/fd`).length;
      limitDescriptors(pid, open + scene.chance.below(6));
      tally.inject(23, 'no descriptors left');
      scene.history.write({ t: 'fault', kind: tally.kind, what: 'descriptors' });
      const crowd = Array.from({ length: 40 }, () => net.connect(scene.socket).on('error', () => undefined));
      for (let order = 0; order < 6 && scene.alive; order++) await scene.operator.anything();
      await pause(scene.chance.below(120));
      for (const one of crowd) one.destroy();
      if (!scene.alive) {
        await scene.ended();
        tally.count('ended for want of descriptors, and started again');
        continue;
      }
      limitDescriptors(pid, 4096);
      await ordersAgain(scene);
    }
  };

const limitDescriptors = (pid: number, soft: number): void =>
  void execFileSync('prlimit', ['--pid', String(pid), `--nofile=${soft}:`]);

async function ordersAgain(scene: Scene): Promise<void> {
  const late = performance.now() + 30_000;
  while (!(await scene.operator.anything())) {
    if (!scene.alive) throw new Broken('it ended when it had descriptors again');
    if (performance.now() > late) throw new Broken('it has descriptors again and takes no orders');
  }
}

const heap = { NODE_OPTIONS: '--max-old-space-size=44' };

/** Ended by V8 or by the kernel, in the midst of a load that does not fit. */
export const withoutMemory =
  (count: number): Work =>
  async (lane) => {
    const { scene, tally } = lane;
    const group = memoryGroup(scene);
    while (tally.injected < count && !lane.over) {
      const byKernel = group !== undefined && scene.chance.below(2) === 0;
      const serving = await scene.start({ env: byKernel ? {} : heap, mayEnd: true });
      if (serving && byKernel) group.confine(scene.issuer.pid);
      scene.history.write({ t: 'fault', kind: tally.kind, what: byKernel ? 'cgroup' : 'heap' });
      for (let load = 0; load < 60 && scene.alive; load++) await scene.operator.burden();
      if (scene.alive) await scene.kill();
      else {
        await scene.ended();
        tally.inject(24, byKernel ? 'ended by the kernel for want of memory' : 'ended by V8 for want of heap');
      }
      if (!(await scene.start())) throw new Broken('it does not start again');
      await scene.kill();
    }
    group?.remove();
  };

/** Of the first version; undefined where the machine does not let us. */
function memoryGroup({ directory }: Scene): { confine(pid: number): void; remove(): void } | undefined {
  const path = join('/sys/fs/cgroup/memory', `mayfly-fault-${directory.replaceAll('/', '-')}`);
  try {
    mkdirSync(path);
  } catch {
    return undefined;
  }
  return {
    confine: (pid) => {
      writeFileSync(join(path, 'cgroup.procs'), String(pid));
      const resident = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
      writeFileSync(join(path, 'memory.limit_in_bytes'), String(24 * 1024 * 1024 + resident / 8));
    },
    remove: () => rmdirSync(path),
  };
}
