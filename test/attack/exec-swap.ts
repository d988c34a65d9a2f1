/**
 * A process connects and asks; at a chosen moment of the answer it becomes another program: one that is trusted, or one
 * that runs as root. The connection stays, with it alone or with an accomplice as well (R-PEER-2).
 */
import { chmodSync, copyFileSync, readlinkSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { id, nextAttacker, type Point, type Stage } from './stage.ts';

export interface SwapTally {
  rounds: number;
  /** An identity of what it became reached the accomplice, or was even issued: what must never be. */
  mistaken: number;
  /** An identity of what it was reached the accomplice, after it had become another. */
  stale: number;
  /** The connection was left open with an accomplice on it. */
  leftOpen: number;
}

/** `after accept`: it is known, and nobody has said a word yet. */
export const swapPoints = [
  'before accept',
  'after accept',
  'after the match',
  'during signing',
  'before the write',
  'between messages',
  'on a push',
] as const;
export type SwapPoint = (typeof swapPoints)[number];

const gid = 30_002;
const trusted = realpathSync('/bin/sleep');

export async function execSwap(stage: Stage, swaps: number): Promise<Record<string, SwapTally>> {
  const { operator, accomplice, issuer, directory } = stage;
  const rooted = join(directory, 'rooted');
  copyFileSync(trusted, rooted);
  chmodSync(rooted, 0o4755);
  const ofGroup = `unix:gid:${gid}`;
  const [plain] = await operator.createAll([
    { spiffeId: id('plain'), selectors: [ofGroup, `unix:path:${realpathSync('/usr/bin/perl')}`] },
    { spiffeId: id('trusted'), selectors: [ofGroup, `unix:path:${trusted}`] },
    { spiffeId: id('rooted'), selectors: ['unix:uid:0'] },
  ]);
  if (plain === undefined) throw new Error('no entry');
  const tallies: Record<string, SwapTally> = {};
  for (const point of swapPoints) {
    for (const held of [true, false]) {
      const tally = { rounds: 0, mistaken: 0, stale: 0, leftOpen: 0 };
      tallies[`${point}, ${held ? 'with an accomplice' : 'alone'}`] = tally;
      while (tally.rounds < swaps) await round(point, held, tally);
      tally.mistaken += await issued();
    }
  }
  return { ...tallies, ...(await unseen(stage, swaps, trusted, rooted)) };

  async function round(point: SwapPoint, held: boolean, tally: SwapTally): Promise<void> {
    tally.rounds += 1;
    const attacker = nextAttacker(gid);
    // As root by way of a setuid program, every other time.
    const program = tally.rounds % 2 === 0 ? trusted : rooted;
    let pid = 0;
    const connect = async (speaker: 'first' | 'nobody'): Promise<void> => {
      pid = await accomplice.connect(attacker, speaker);
    };
    const swap = async (): Promise<void> => {
      if (!held) await accomplice.leave();
      await become(stage, pid, program);
    };
    const push = () =>
      operator.update(plain as NonNullable<typeof plain>, { hint: `${point} ${held} ${tally.rounds}` });
    const served = async (): Promise<void> => {
      await connect('first');
      const { ids } = await accomplice.hear(5_000);
      if (!ids.includes(id('plain'))) throw new Error(`the attacker was not served: ${ids}`);
    };
    const stories: Record<SwapPoint, () => Promise<unknown>> = {
      'before accept': async () => {
        await stage.at('before accept', () => connect('nobody'), swap);
        if (held) await accomplice.speak();
      },
      'after accept': async () => {
        const hits = issuer.hits.length;
        await issuer.arm({ at: 'peer.half-learned', action: 'delay 0' });
        await connect('nobody');
        await issuer.hit(hits + 1, 5_000);
        await issuer.disarm();
        await swap();
        if (held) await accomplice.speak();
      },
      'between messages': () => served().then(swap).then(push),
      'on a push': () => served().then(() => stage.at('on a push', push, swap)),
      'after the match': () => stage.at('after the match' satisfies Point, () => connect('first'), swap),
      'during signing': () => stage.at('during signing', () => connect('first'), swap),
      'before the write': () => stage.at('before the write', () => connect('first'), swap),
    };
    await stories[point]();
    if (held) {
      const { closed, ids } = await stage.verdict();
      if (ids.some((found) => found !== id('plain'))) tally.mistaken += 1;
      if (ids.includes(id('plain'))) tally.stale += 1;
      if (!closed) tally.leftOpen += 1;
    } else await accomplice.end();
  }

  async function issued(): Promise<number> {
    const records = await Promise.all(['trusted', 'rooted'].map((name) => operator.records({ spiffeId: id(name) })));
    return records.flat().filter(({ kind }) => kind.endsWith('issued')).length;
  }
}

/**
 * The one that cannot be seen: the request was written, and the program exchanged, before the connection was accepted.
 * What a process says about itself by its path or hash is believed then; as whom it runs is not (docs/security.md).
 */
async function unseen(
  stage: Stage,
  swaps: number,
  trusted: string,
  rooted: string,
): Promise<Record<string, SwapTally & { readonly unseen: number }>> {
  const tally = { rounds: 0, mistaken: 0, stale: 0, leftOpen: 0, unseen: 0 };
  for (const program of [trusted, rooted]) {
    for (let round = 0; round < swaps; round++) {
      tally.rounds += 1;
      let pid = 0;
      const begin = async (): Promise<void> => {
        pid = await stage.accomplice.connect(nextAttacker(gid), 'first');
      };
      await stage.at('before accept', begin, () => become(stage, pid, program));
      const { ids } = await stage.accomplice.hear(5_000);
      await stage.accomplice.end();
      if (ids.includes(id('trusted'))) tally.unseen += 1;
      if (ids.some((found) => found !== id('trusted'))) tally.mistaken += 1;
    }
  }
  return { 'asked and changed before accept': tally };
}

async function become({ accomplice }: Stage, pid: number, program: string): Promise<void> {
  await accomplice.first(`exec ${program} 60`);
  while (readlinkSync(`/proc/${pid}/exe`) !== program) await new Promise((resolve) => setImmediate(resolve));
}
