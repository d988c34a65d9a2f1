/** What a stream was given is taken away under it: its entry deleted, its owner disabled. It hears within a second. */
import { setTimeout as pause } from 'node:timers/promises';
import { Broken } from '../broken.ts';
import type { EntryState } from '../history.ts';
import type { Work } from '../lane.ts';
import type { Scene } from '../scene.ts';

const boundMs = 1_000;
/** A machine on which others run. */
const patienceMs = 20_000;

export const withdraw =
  (count: number): Work =>
  async (lane) => {
    const { scene, tally } = lane;
    await scene.start();
    while (tally.injected < count && !lane.over) {
      const entry = await given(scene, tally.injected);
      const disable = scene.chance.below(3) === 0;
      scene.history.write({ t: 'fault', kind: tally.kind, what: disable ? 'owner disabled' : 'entry deleted' });
      const order = disable
        ? ({ do: 'set-person', person: 'grace', enabled: false } as const)
        : ({ do: 'delete-entry', id: entry.id } as const);
      if ((await scene.operator.order(order)) !== 0) throw new Broken('it does not obey');
      const ms = await until(
        scene,
        `${entry.spiffeId} is still in what uid ${uidOf(entry)} holds`,
        () => !holds(scene, entry),
      );
      tally.inject(33, disable ? 'owner disabled under a stream' : 'entry deleted under a stream');
      tally.worst('ms until the stream had heard, at worst', ms);
      tally.check('I4');
      if (ms <= boundMs) tally.count('streams that had heard within a second');
    }
  };

/** One entry of grace's more, which its workload has been given. */
async function given(scene: Scene, number: number): Promise<EntryState> {
  const { operator } = scene;
  await operator.order({ do: 'set-person', person: 'grace', enabled: true });
  for (const entry of operator.entries.filter(({ owner }) => owner === 'grace').slice(0, -4))
    await operator.order({ do: 'delete-entry', id: entry.id });
  const uid = scene.uids[number % scene.uids.length] ?? 0;
  const before = new Set(operator.entries.map(({ id }) => id));
  await operator.order(operator.newEntry(uid, 'grace'));
  const entry = operator.entries.find(({ id }) => !before.has(id));
  if (entry === undefined) throw new Broken('it does not obey');
  await until(scene, `${entry.spiffeId} is not in what uid ${uid} holds`, () => holds(scene, entry));
  return entry;
}

const uidOf = ({ selectors }: EntryState): number => Number(selectors[0]?.split(':')[2]);

const holds = (scene: Scene, entry: EntryState): boolean => scene.lastIds(uidOf(entry)).includes(entry.spiffeId);

async function until(scene: Scene, otherwise: string, met: () => boolean): Promise<number> {
  const begun = performance.now();
  while (!met()) {
    if (performance.now() - begun > patienceMs) scene.complain(otherwise, 'I4');
    await pause(3);
  }
  return performance.now() - begun;
}
