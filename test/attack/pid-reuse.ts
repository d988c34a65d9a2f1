/**
 * A process connects, asks and dies; another is given its pid at a chosen moment of the answer: the same program of
 * another user, or another program of the same user. The connection is still held by an accomplice. Runs in a PID
 * namespace, where the next pid can be chosen (R-PEER-1).
 */
import { readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { id, nextAttacker, type Point, points, type Stage } from './stage.ts';

export interface ReuseTally {
  rounds: number;
  /** The newcomer did get the pid. */
  reused: number;
  /** Whoever asks /proc by pid is told of the newcomer; and so is who compares start times, in clock ticks, as well. */
  foolsPid: number;
  foolsStartTime: number;
  /** An identity of the newcomer reached the accomplice: what must never be. */
  mistaken: number;
  /** An identity of the dead one did. */
  stale: number;
  /** The connection outlived the process that made it. */
  leftOpen: number;
}

const attackerGid = 30_001;
const otherUser = { uid: 10_002, gid: 10_002 };
const otherProgram = realpathSync('/bin/sleep');

export async function pidReuse(stage: Stage, reuses: number): Promise<Record<Point, ReuseTally>> {
  const { operator, accomplice, issuer } = stage;
  const entry = await operator.create({ spiffeId: id('attacker'), selectors: [`unix:gid:${attackerGid}`] });
  await operator.createAll([
    { spiffeId: id('victim/user'), selectors: [`unix:uid:${otherUser.uid}`] },
    { spiffeId: id('victim/program'), selectors: [`unix:gid:${attackerGid}`, `unix:path:${otherProgram}`] },
  ]);
  const names = Object.keys(points) as Point[];
  const tallies = Object.fromEntries(names.map((name) => [name, newTally()])) as Record<Point, ReuseTally>;
  for (const point of names) {
    const tally = tallies[point];
    while (tally.reused < reuses && tally.rounds < 2 * reuses + 10) await round(point, tally);
  }
  if (issuer.ended) throw new Error('the issuer has ended');
  return tallies;

  async function round(point: Point, tally: ReuseTally): Promise<void> {
    tally.rounds += 1;
    const attacker = nextAttacker(attackerGid);
    let pid = 0;
    const connect = async (): Promise<void> => {
      pid = await accomplice.connect(attacker, 'first');
    };
    const push = point === 'on a push';
    if (push) {
      await connect();
      const { ids } = await accomplice.hear(5_000);
      if (!ids.includes(id('attacker'))) throw new Error(`the attacker was not served: ${ids}`);
    }
    const begin = push ? () => operator.update(entry, { hint: `push ${tally.rounds}` }) : connect;
    await stage.at(point, begin, async () => {
      const before = look(pid);
      const asUser = tally.rounds % 2 === 0;
      const newcomer = asUser ? accomplice.reuse(otherUser) : accomplice.reuse(attacker, `${otherProgram} 60`);
      if ((await newcomer) !== pid) return;
      tally.reused += 1;
      const after = look(pid);
      if (before.who !== after.who) tally.foolsPid += 1;
      if (before.who !== after.who && after.startTime === before.startTime) tally.foolsStartTime += 1;
    });
    const { closed, ids } = await stage.verdict();
    if (ids.some((found) => found.startsWith(id('victim')))) tally.mistaken += 1;
    if (ids.includes(id('attacker'))) tally.stale += 1;
    if (!closed) tally.leftOpen += 1;
  }
}

/** What a check would see that knows the process by its pid. */
function look(pid: number): { readonly who: string; readonly startTime: string | undefined } {
  const uid = /^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  const startTime = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ')[19];
  return { who: `${uid} ${readlinkSync(`/proc/${pid}/exe`)}`, startTime };
}

const newTally = (): ReuseTally => ({
  rounds: 0,
  reused: 0,
  foolsPid: 0,
  foolsStartTime: 0,
  mistaken: 0,
  stale: 0,
  leftOpen: 0,
});
