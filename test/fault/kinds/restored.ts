/**
 * An old copy of the data directory, or of a part of it, is put back under an issuer that has gone on since. It is refused
 * until the newest is back, or the operator says that going back is meant.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Broken } from '../broken.ts';
import type { Work } from '../lane.ts';
import type { Scene } from '../scene.ts';

interface Part {
  readonly name: string;
  /** What of the data directory; all of it where nothing is named. */
  readonly files?: readonly string[];
}

const registry = ['registry.db', 'registry.db-wal', 'registry.db-shm', 'registry.version'];
const parts: readonly Part[] = [
  { name: 'everything' },
  { name: 'the registry', files: registry },
  { name: 'the database alone', files: registry.slice(0, 3) },
  { name: 'the ledger', files: ['ledger'] },
  { name: 'the authorities', files: ['authorities.json', 'keys'] },
];
const ordersBetween = 12;
/** In which authorities come and go. */
const leapMs = 13_000;

export const putBack =
  (rounds: number): Work =>
  async (lane) => {
    const { scene, tally } = lane;
    for (let round = 0; round < rounds && !lane.over; round++) {
      await live(scene, 'old');
      await live(scene, 'newest');
      for (const part of scene.chance.shuffled(parts)) {
        if (lane.over) break;
        put(scene, part);
        scene.history.write({ t: 'fault', kind: tally.kind, what: part.name });
        await refused(scene, part);
        tally.inject(8, `an old copy of ${part.name}`);
        tally.check('I12');
      }
      await onTheOperatorsWord(scene);
      tally.check('I14');
      restore(scene, 'newest');
    }
  };

/** Goes on from where it was, and leaves a copy. */
async function live(scene: Scene, name: string): Promise<void> {
  await scene.start({ aheadMs: scene.aheadMs + leapMs });
  for (let orders = ordersBetween; orders > 0; ) if (await scene.operator.anything()) orders--;
  await scene.operator.look();
  if (scene.chance.below(2) === 0) await scene.stop();
  else await scene.kill();
  copy(scene.data, join(scene.directory, name));
  copy(markOf(scene), join(scene.directory, `${name}.seen`));
}

const markOf = (scene: Scene): string => `${scene.adminSocket}.seen`;

function put(scene: Scene, { files }: Part): void {
  restore(scene, 'newest');
  if (files === undefined) copy(join(scene.directory, 'old'), scene.data);
  for (const file of files ?? []) copy(join(scene.directory, 'old', file), join(scene.data, file));
}

function restore(scene: Scene, name: string): void {
  copy(join(scene.directory, name), scene.data);
  cpSync(join(scene.directory, `${name}.seen`), markOf(scene));
}

/** With modes and owners; what is not there is not there afterwards. */
function copy(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  if (existsSync(from)) execFileSync('cp', ['-a', from, to]);
}

async function refused(scene: Scene, { name }: Part): Promise<void> {
  const said = scene.logLength;
  if (await scene.start({ mayEnd: true, strangers: true }))
    throw new Broken(`it believes an old copy of ${name}`, 'I3');
  const text = scene.logSince(said);
  if (!/^error: [^\n]*(old copy|is at change|does not|was changed|damaged|missing)/m.test(text))
    throw new Broken(`an old copy of ${name}: it says ${text}`, 'I12');
  if (!readFileSync(markOf(scene)).equals(readFileSync(join(scene.directory, 'newest.seen'))))
    throw new Broken(`an old copy of ${name}: it forgot how far it had come`, 'I12');
}

async function onTheOperatorsWord(scene: Scene): Promise<void> {
  put(scene, { name: 'everything' });
  scene.forgetHowFarItWas();
  if (!(await scene.start({ strangers: true }))) throw new Broken('it does not go back on the word of the operator');
  await scene.kill();
}
