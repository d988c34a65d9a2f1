/** The place of the workload socket is meddled with, and others want to be the issuer (fault 30). Who has a stream keeps it. */
import { chmodSync, lstatSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import net from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { launcher, run } from '../../integration/fixture.ts';
import { Broken } from '../broken.ts';
import type { Work } from '../lane.ts';
import type { Scene } from '../scene.ts';

const noticedMs = 5_000;
const overMs = 10_000;

interface Meddling {
  readonly name: string;
  readonly harm: (scene: Scene) => Promise<() => void> | (() => void);
}

const nothing = (): void => undefined;

/** Each gives back how somebody who means well would undo it; where there is nothing to undo, mayfly does it alone. */
const meddlings: readonly Meddling[] = [
  {
    name: 'the socket removed',
    harm: ({ socket }) => {
      rmSync(socket);
      return nothing;
    },
  },
  {
    name: 'the socket replaced by a link',
    harm: ({ socket }) => {
      rmSync(socket);
      symlinkSync('/dev/null', socket);
      return () => rmSync(socket, { force: true });
    },
  },
  { name: "the socket replaced by another's", harm: foreign },
  {
    name: 'the socket moved away',
    harm: ({ socket }) => {
      renameSync(socket, `${socket}.away`);
      return () => rmSync(`${socket}.away`, { force: true });
    },
  },
  {
    name: 'the directory opened to everybody',
    harm: ({ socket }) => {
      chmodSync(dirname(socket), 0o777);
      return () => chmodSync(dirname(socket), 0o755);
    },
  },
  {
    name: 'the socket made executable',
    harm: ({ socket }) => {
      chmodSync(socket, 0o777);
      return () => chmodSync(socket, 0o666);
    },
  },
];

async function foreign({ socket }: Scene): Promise<() => void> {
  rmSync(socket);
  const server = net.createServer((connection) => connection.destroy());
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return () => server.close();
}

export const meddle =
  (count: number): Work =>
  async (lane) => {
    const { scene, tally } = lane;
    await scene.start();
    await served(scene);
    while (tally.injected < count && !lane.over) {
      const { name, harm } = scene.chance.of(meddlings) ?? { name: '', harm: () => nothing };
      scene.history.write({ t: 'fault', kind: tally.kind, what: name });
      const undo = await harm(scene);
      tally.inject(30, name);
      await scene.watcher.expect(false, noticedMs, name);
      undo();
      await scene.watcher.expect(true, overMs, `${name}, and undone`);
      if (!lstatSync(scene.socket).isSocket()) throw new Broken(`${name}: there is no socket again`);
      await second(scene, lane);
      await scene.operator.anything();
    }
  };

/** On the same directory, and on the same socket. */
async function second({ flags, socket, directory }: Scene, { tally }: Parameters<Work>[0]): Promise<void> {
  const before = lstatSync(socket).ino;
  const elsewhere = ['--data-dir', join(directory, 'other'), '--admin-socket', join(directory, 'admin', 'other.sock')];
  for (const more of [[], elsewhere]) {
    const { status, stderr } = await run(launcher, ['up', ...flags, ...more]);
    tally.inject(30, 'a second issuer');
    tally.check('I12');
    if (status === 0 || !/^error: another mayfly (uses|serves) /.test(stderr))
      throw new Broken(`a second issuer ended with ${status} and says ${stderr}`, 'I12');
    if (lstatSync(socket).ino !== before) throw new Broken('a second issuer took the socket', 'I1');
  }
  rmSync(join(directory, 'other'), { recursive: true, force: true });
}

/** Everybody has a stream. */
async function served(scene: Scene): Promise<void> {
  for (const late = performance.now() + 30_000; performance.now() < late; await pause(20))
    if (scene.uids.every((uid) => scene.lastSvid(uid) !== undefined)) return;
  throw new Broken('its workloads have no SVID', 'I10');
}
