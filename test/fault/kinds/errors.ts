/** A system call that fails at a named step, with the error that the kernel would give, while everything else goes on. */
import type { Failpoint } from '../../../src/runtime/failpoints.ts';
import { Broken } from '../broken.ts';
import type { Work } from '../lane.ts';
import type { Scene } from '../scene.ts';

interface Failure {
  readonly at: Failpoint;
  readonly codes: readonly string[];
  /** What must come of it: the order is refused and the next one is not, or the process ends and starts again. */
  readonly outcome: 'goes on' | 'ends';
}

const room = ['ENOSPC', 'EDQUOT'];
const descriptors = ['EMFILE', 'ENFILE'];

/** After a failure that leaves in doubt what the disk holds, only a new process, which looks afresh, may go on. */
const failures: readonly Failure[] = [
  { at: 'ledger.before-write', codes: room, outcome: 'goes on' },
  { at: 'ledger.written', codes: room, outcome: 'goes on' },
  { at: 'ledger.segment-before-create', codes: [...room, ...descriptors], outcome: 'goes on' },
  { at: 'ledger.segment-created', codes: room, outcome: 'goes on' },
  { at: 'ledger.segment-written', codes: room, outcome: 'goes on' },
  { at: 'ledger.head-before-write', codes: room, outcome: 'goes on' },
  { at: 'registry.begun', codes: [...room, 'EIO'], outcome: 'goes on' },
  { at: 'registry.rows-written', codes: [...room, 'EIO'], outcome: 'goes on' },
  ...(['file.begin', 'file.written', 'file.synced', 'file.renamed', 'file.listed'] as const).map((at) => ({
    at,
    codes: [...room, ...descriptors, 'EIO', 'EROFS'],
    outcome: 'goes on' as const,
  })),
  { at: 'ledger.before-write', codes: ['EIO'], outcome: 'ends' },
  { at: 'ledger.written', codes: ['EIO'], outcome: 'ends' },
  { at: 'ledger.segment-created', codes: ['EIO'], outcome: 'ends' },
  { at: 'ledger.head-before-sync', codes: ['EIO', 'ENOSPC'], outcome: 'ends' },
];

/** An ending costs a start; the others are cheap. */
const endings = 0.02;
/** So often in a row a step fails, before it works again. */
const longestRow = 8;
const reachMs = 3_000;
/** A machine on which others run. */
const againMs = 30_000;

export const errors =
  (count: number): Work =>
  async (lane) => {
    const { scene, tally } = lane;
    const cheap = failures.filter(({ outcome }) => outcome === 'goes on');
    const dear = failures.filter(({ outcome }) => outcome === 'ends');
    while (tally.injected < count && !lane.over) {
      if (!scene.alive) await scene.start();
      const failure = scene.chance.of(scene.chance.below(1000) < 1000 * endings ? dear : cheap);
      const code = scene.chance.of(failure?.codes ?? []);
      if (failure === undefined || code === undefined) return;
      const times = failure.outcome === 'ends' ? 1 : 1 + scene.chance.below(longestRow);
      const hits = scene.issuer.hits.length;
      scene.history.write({ t: 'fault', kind: tally.kind, what: `${code} at ${failure.at}` });
      await scene.issuer.arm({ at: failure.at, action: `error ${code}`, times, after: scene.chance.below(3) });
      await orderUntilHit(scene, hits + times);
      for (const point of scene.issuer.hits.slice(hits))
        tally.inject(room.includes(code) ? 5 : descriptors.includes(code) ? 23 : 6, code, point);
      if (failure.outcome === 'ends' && scene.issuer.hits.length > hits) await endsByItself(scene, failure);
      else await goesOn(scene, failure);
    }
  };

async function orderUntilHit(scene: Scene, hits: number): Promise<void> {
  const late = performance.now() + reachMs;
  while (scene.issuer.hits.length < hits && scene.alive && performance.now() < late) await scene.operator.anything();
  await scene.issuer.disarm();
}

async function endsByItself(scene: Scene, { at }: Failure): Promise<void> {
  const { code } = await scene.ended();
  if (code === 0) throw new Broken(`it ended as if nothing had happened after a failure at ${at}`);
}

/** The very next order may meet what the failure left behind; soon one is carried out. */
async function goesOn(scene: Scene, { at }: Failure): Promise<void> {
  const late = performance.now() + againMs;
  while (!(await scene.operator.anything())) {
    if (!scene.alive) throw new Broken(`it ended after a failure at ${at} that it should survive`);
    if (performance.now() > late) throw new Broken(`after a failure at ${at} it takes no more orders`);
  }
}
