/**
 * A process connects, asks and dies; another is given its pid at a chosen moment of the answer: the same program of
 * another user, or another program of the same user. The connection is still held by an accomplice. Runs in a PID
 * namespace, where the next pid can be chosen (R-PEER-1).
 */
import { readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { id, longMs, nextAttacker, type Point, points, type Stage } from './stage.ts';
import { count, newTally, type Tallies, type Tally } from './tally.ts';

/** Whom the newcomer would have fooled: whoever asks /proc by pid, and whoever compares start times, in ticks, as well. */
export interface Reuse extends Tally {
  foolsPid: number;
  foolsStartTime: number;
}

const attackerGid = 30_001;
const otherUser = { uid: 10_002, gid: 10_002 };
const otherProgram = realpathSync('/bin/sleep');

export async function pidReuse(stage: Stage, reuses: number): Promise<Tallies> {
  const { operator, accomplice, issuer } = stage;
  const entry = await operator.create({ spiffeId: id('attacker'), selectors: [`unix:gid:${attackerGid}`] });
  await operator.createAll([
    { spiffeId: id('victim/user'), selectors: [`unix:uid:${otherUser.uid}`] },
    { spiffeId: id('victim/program'), selectors: [`unix:gid:${attackerGid}`, `unix:path:${otherProgram}`] },
  ]);
  const tallies: Record<string, Reuse> = {};
  for (const point of Object.keys(points) as Point[]) {
    const tally = { ...newTally(), foolsPid: 0, foolsStartTime: 0 };
    tallies[`pid reused ${point}`] = tally;
    for (let round = 0; tally.attempts < reuses && round < 2 * reuses + 10; round++) await once(point, tally, round);
    tally.wrong += await stage.issued(['victim/user', 'victim/program']);
  }
  if (issuer.ended) throw new Error('the issuer has ended');
  return tallies;

  async function once(point: Point, tally: Reuse, round: number): Promise<void> {
    const attacker = nextAttacker(attackerGid);
    let [pid, reused] = [0, false];
    const connect = async (): Promise<void> => {
      pid = await accomplice.connect(attacker, 'first');
    };
    const push = point === 'on a push';
    if (push) {
      await connect();
      const { ids } = await accomplice.hear(longMs);
      if (!ids.includes(id('attacker'))) throw new Error(`the attacker was not served: ${ids}`);
    }
    const begin = push ? () => operator.update(entry, { hint: `push ${round}` }) : connect;
    await stage.at(point, begin, async () => {
      const before = look(pid);
      const asUser = round % 2 === 0;
      const newcomer = asUser ? accomplice.reuse(otherUser) : accomplice.reuse(attacker, `${otherProgram} 60`);
      reused = (await newcomer) === pid;
      const after = look(pid);
      if (reused && before.who !== after.who) tally.foolsPid += 1;
      if (reused && before.who !== after.who && after.startTime === before.startTime) tally.foolsStartTime += 1;
    });
    const heard = await stage.verdict();
    // Where the newcomer got another pid, nothing was tried; but what was heard must be right all the same.
    if (reused || heard.ids.length > 0 || !heard.closed) count(tally, heard, 'nothing');
  }
}

/** What a check would see that knows the process by its pid. */
function look(pid: number): { readonly who: string; readonly startTime: string | undefined } {
  try {
    const uid = /^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    const startTime = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ')[19];
    return { who: `${uid} ${readlinkSync(`/proc/${pid}/exe`)}`, startTime };
  } catch {
    return { who: 'nobody', startTime: undefined };
  }
}
