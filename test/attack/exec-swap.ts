/**
 * A process connects and asks; at a chosen moment of the answer it becomes another program: one that is trusted, or one
 * that runs as root. The connection stays, with it alone or with an accomplice as well (R-PEER-2).
 */
import { chmodSync, copyFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { meet, moments } from './moments.ts';
import { id, longMs, nextAttacker, type Stage } from './stage.ts';
import { count, newTally, type Tallies, type Tally } from './tally.ts';

const gid = 30_002;
const trusted = realpathSync('/bin/sleep');

export async function execSwap(stage: Stage, swaps: number): Promise<Tallies> {
  const { operator, accomplice, directory } = stage;
  const rooted = join(directory, 'rooted');
  copyFileSync(trusted, rooted);
  chmodSync(rooted, 0o4755);
  const ofGroup = `unix:gid:${gid}`;
  const entry = await operator.create({
    spiffeId: id('plain'),
    selectors: [ofGroup, `unix:path:${realpathSync('/usr/bin/python3')}`],
  });
  await operator.createAll([
    { spiffeId: id('trusted'), selectors: [ofGroup, `unix:path:${trusted}`] },
    { spiffeId: id('rooted'), selectors: ['unix:uid:0'] },
  ]);
  const tallies: Record<string, Tally> = {};
  for (const moment of moments) {
    for (const held of [true, false]) {
      const tally = newTally();
      tallies[`exec ${moment}, ${held ? 'with an accomplice' : 'alone'}`] = tally;
      for (let round = 0; round < swaps; round++) {
        const change = async (): Promise<void> => {
          if (!held) await accomplice.order('me leave');
          // As root by way of a setuid program, every other time.
          await accomplice.order(`first exec ${round % 2 === 0 ? trusted : rooted} 60`);
        };
        const lateSpeaker = held ? 'me' : 'nobody';
        await meet(stage, moment, { user: nextAttacker(gid), entry, change, lateSpeaker });
        await judge(tally, held);
      }
      tally.wrong += await stage.issued(['trusted', 'rooted']);
    }
  }
  return { ...tallies, 'exec after asking, before accept': await unseen(stage, swaps, [trusted, rooted]) };

  /** Alone, there is nobody who could hear anything: what was issued tells. */
  async function judge(tally: Tally, held: boolean): Promise<void> {
    if (held) return count(tally, await stage.verdict(), 'nothing');
    await accomplice.end();
    count(tally, { closed: true, ids: [] }, 'nothing');
  }
}

/**
 * The one that cannot be seen: the request was written, and the program exchanged, before the connection was accepted.
 * What a process says about itself by its path or hash is believed then; as whom it runs is not (docs/threat-model.md).
 */
async function unseen(stage: Stage, swaps: number, programs: readonly string[]): Promise<Tally> {
  const { accomplice } = stage;
  const tally = newTally();
  for (const program of programs) {
    for (let round = 0; round < swaps; round++) {
      const begin = (): Promise<number> => accomplice.connect(nextAttacker(gid), 'first');
      await stage.at('before accept', begin, () => accomplice.order(`first exec ${program} 60`));
      const { closed, ids } = await accomplice.hear(longMs);
      await accomplice.end();
      if (!ids.includes(id('trusted')) || ids.length > 1) count(tally, { closed, ids }, 'nothing');
      else {
        tally.attempts += 1;
        tally.unseen += 1;
      }
    }
  }
  return tally;
}
