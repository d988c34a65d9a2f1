/** kill -9 at a named step, then a start in what it left behind. With `died`, more happens before that: a power cut. */
import type { Failpoint } from '../../../src/runtime/failpoints.ts';
import type { Work } from '../lane.ts';
import type { Row } from '../matrix.ts';
import { filePoints, livePoints, mendPoints, rotationPoints, startPoints, stopPoints } from '../points.ts';
import type { Scene } from '../scene.ts';
import { callAsStranger } from '../stranger.ts';

/** How far the clock goes on between two lives: nothing, a handover, an authority's end, everything's end. */
const leapsMs = [0, 0, 2_000, 4_000, 6_000, 13_000, 31_000];
const reachMs = 2_500;
const uses = ['x509', 'jwt'] as const;

export interface KillOptions {
  /** Every failpoint so many times. */
  readonly rounds: number;
  /** Called after each death. */
  readonly died?: (scene: Scene) => Promise<void>;
  readonly row: Row;
}

export const kill =
  ({ rounds, row, died = async () => undefined }: KillOptions): Work =>
  async (lane) => {
    const { scene, tally } = lane;
    const killed = async (point: Failpoint | 'anywhere'): Promise<void> => {
      const [detail, at] = point === 'anywhere' ? (['anywhere'] as const) : (['at a failpoint', point] as const);
      tally.inject(row, detail, at);
      scene.history.write({ t: 'fault', kind: tally.kind, what: point });
      await died(scene);
    };
    for (let round = 0; round < rounds; round++) {
      for (const { point, how } of scene.chance.shuffled(plan)) {
        if (lane.over) return;
        await ways[how](scene, point, killed);
      }
    }
  };

/** In an empty directory, at a step of the first start; then everything is as if it were the first. */
export const killFirst =
  (at: Failpoint): Work =>
  async ({ scene, tally }) => {
    const after = at.startsWith('file.') ? scene.chance.below(filesAtFirst) : 0;
    if (await scene.start({ traps: [{ at, action: 'kill', after }] })) {
      // It may come to that step only now; once it has heard, it does no more.
      await scene.issuer.disarm();
      if (scene.issuer.hits.length === 0) return;
      await scene.ended();
    }
    tally.inject(1, 'at a failpoint of the first start', at);
    scene.history.write({ t: 'fault', kind: tally.kind, what: at });
  };

/** Seals, head, journal and keys. */
const filesAtFirst = 12;

type Killed = (point: Failpoint | 'anywhere') => Promise<void>;
type How = 'start' | 'rotation' | 'live' | 'stop' | 'mend';

const plan: readonly { readonly point: Failpoint; readonly how: How }[] = [
  ...startPoints.map((point) => ({ point, how: 'start' as const })),
  ...filePoints.flatMap((point) => (['live', 'rotation'] as const).map((how) => ({ point, how }))),
  ...rotationPoints.map((point) => ({ point, how: 'rotation' as const })),
  ...livePoints.map((point) => ({ point, how: 'live' as const })),
  ...stopPoints.map((point) => ({ point, how: 'stop' as const })),
  ...mendPoints.map(({ at }) => ({ point: at, how: 'mend' as const })),
];

const ways: Readonly<Record<How, (scene: Scene, point: Failpoint, killed: Killed) => Promise<void>>> = {
  start: (scene, point, killed) => atStart(scene, point, 0, killed),
  rotation: async (scene, point, killed) => {
    if (scene.alive) await anywhere(scene, killed);
    const aheadMs = scene.aheadMs + (scene.chance.of(leapsMs) ?? 0);
    if (!(await restart(scene, point, killed, { aheadMs, after: scene.chance.below(3) }))) return;
    await reach(scene, point, killed, 4_000);
  },
  live: async (scene, point, killed) => {
    if (!(await serving(scene))) return;
    await scene.issuer.arm({ at: point, action: 'kill', after: scene.chance.below(4) });
    await reach(scene, point, killed, reachMs);
  },
  stop: async (scene, point, killed) => {
    if (!(await serving(scene))) return;
    await scene.issuer.arm({ at: point, action: 'kill' });
    scene.issuer.signal('SIGTERM');
    await scene.ended();
    if (scene.issuer.hits.includes(point)) await killed(point);
  },
  mend: async (scene, point, killed) => {
    const before = mendPoints.find(({ at }) => at === point)?.after ?? point;
    await ways.live(scene, before, killed);
    if (!scene.alive) await atStart(scene, point, 0, killed);
  },
};

async function atStart(scene: Scene, point: Failpoint, after: number, killed: Killed): Promise<void> {
  if (scene.alive) await anywhere(scene, killed);
  await restart(scene, point, killed, { aheadMs: scene.aheadMs, after });
}

/** @returns whether it serves, the trap still set */
async function restart(
  scene: Scene,
  at: Failpoint,
  killed: Killed,
  { aheadMs, after }: { readonly aheadMs: number; readonly after: number },
): Promise<boolean> {
  if (await scene.start({ aheadMs, traps: [{ at, action: 'kill', after }] })) return true;
  await killed(at);
  return false;
}

async function serving(scene: Scene): Promise<boolean> {
  if (scene.alive) await scene.issuer.disarm();
  return scene.alive || scene.start();
}

/** In the midst of whatever it does. */
async function anywhere(scene: Scene, killed: Killed): Promise<void> {
  const orders = (async () => {
    for (let count = 0; count < 3 && scene.alive; count++) await scene.operator.anything();
  })();
  await new Promise((resolve) => setTimeout(resolve, scene.chance.below(25)));
  await scene.kill();
  await orders;
  await killed('anywhere');
}

async function revoke(scene: Scene): Promise<void> {
  const credential = scene.chance.of(scene.uids.flatMap((uid) => scene.held(uid)));
  if (credential !== undefined) await scene.operator.order({ do: 'revoke', credential });
}

/** Gives orders until the trap has closed. */
async function reach(scene: Scene, point: Failpoint, killed: Killed, withinMs: number): Promise<void> {
  const late = performance.now() + withinMs;
  while (!(await scene.issuer.hit(1, 0)) && !scene.issuer.ended && performance.now() < late) {
    if (point.startsWith('revoke.')) await revoke(scene);
    if (point === 'agent.refused') void callAsStranger(scene.socket, 'FetchX509SVID', Buffer.alloc(0));
    if (point.startsWith('authority.tainted'))
      await scene.operator.order({ do: 'taint', use: scene.chance.of(uses) ?? 'x509' });
    if (point.startsWith('peer.')) scene.operator.connect(scene.adminSocket);
    if (point.startsWith('ledger.archive')) await scene.operator.order({ do: 'archive' });
    await scene.operator.anything();
  }
  await scene.issuer.hit(1, 50);
  if (scene.issuer.hits.length === 0) return scene.issuer.disarm();
  await scene.ended();
  await killed(point);
}
