/**
 * A process connects and asks; at a chosen moment of the answer it becomes another user, gets other groups or other
 * capabilities, enters a namespace or comes under a debugger (R-PEER-2, fault 29). What counts is whether its program,
 * users and groups are still those that it was attested by. Capabilities and namespaces are no part of that: no selector
 * speaks of them, and whoever drops privileges after connecting, as good daemons do, goes on being served.
 */

import { execFileSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import type { User } from './accomplice.ts';
import { meet, moments } from './moments.ts';
import { id, longMs, nextAttacker, type Stage } from './stage.ts';
import { count, newTally, type Rightful, type Tallies, type Tally } from './tally.ts';

const gid = 30_004;

interface Becoming {
  readonly gifts?: string;
  readonly prepare?: string;
  readonly order: string;
  readonly rightful: Rightful;
}

export async function becoming(stage: Stage, rounds: number): Promise<Tallies> {
  const { operator, accomplice } = stage;
  const entry = await operator.create({ spiffeId: id('plain'), selectors: [`unix:gid:${gid}`] });
  await operator.createAll([
    { spiffeId: id('victim/user'), selectors: ['unix:uid:10002'] },
    { spiffeId: id('victim/root'), selectors: ['unix:uid:0'] },
    { spiffeId: id('victim/group'), selectors: ['unix:gid:10009'] },
    { spiffeId: id('victim/member'), selectors: ['unix:supplementary_gid:10008'] },
  ]);
  const victims = ['user', 'root', 'group', 'member'].map((name) => `victim/${name}`);
  const own = [id('plain')];
  const stories: Readonly<Record<string, Becoming>> = {
    setresuid: { gifts: 'capable', order: 'first setresuid 10002 10002 10002', rightful: 'nothing' },
    'seteuid to a saved user': { gifts: 'saved=10002', order: 'first setresuid -1 10002 -1', rightful: 'nothing' },
    'setresuid to root': { gifts: 'capable', order: 'first setresuid 0 0 0', rightful: 'nothing' },
    setresgid: { gifts: 'capable', order: 'first setresgid 10009 10009 10009', rightful: 'nothing' },
    setgroups: { gifts: 'capable', order: 'first setgroups 10008', rightful: 'nothing' },
    'exec of a program with file capabilities': { order: `first exec ${privileged(stage)} 60`, rightful: 'nothing' },
    'capabilities dropped': { gifts: 'capable', order: 'first capabilities none', rightful: own },
    'capabilities raised': { gifts: 'keep', order: 'first capabilities all', rightful: own },
    'a user namespace entered': { prepare: 'first debuggable', order: 'first unshare user', rightful: own },
    'a debugger attached': { prepare: 'first debuggable', order: 'tracer trace', rightful: 'nothing' },
  };
  const tallies: Record<string, Tally> = {};
  for (const [name, story] of Object.entries(stories)) {
    const tally = newTally();
    tallies[`${name}, at ${moments.length} moments`] = tally;
    for (let round = 0; round < rounds; round++) await once(story, tally, round);
    tally.wrong += await stage.issued(victims);
  }
  return { ...tallies, ...(await debugged(stage, rounds)) };

  async function once({ gifts = '', prepare, order, rightful }: Becoming, tally: Tally, round: number): Promise<void> {
    const user = nextAttacker(gid);
    const moment = moments[round % moments.length] ?? 'on a push';
    await meet(stage, moment, {
      user,
      gifts,
      entry,
      prepare: async () => {
        if (prepare !== undefined) await accomplice.order(prepare);
      },
      change: (pid) => (order === 'tracer trace' ? attach(stage, user, pid) : accomplice.order(order)),
      // It speaks for itself where it still can: whoever else did would be cut for that alone.
      lateSpeaker: order.startsWith('first exec') ? 'me' : 'first',
    });
    count(tally, rightful === 'nothing' ? await accomplice.listen(longMs) : await accomplice.hear(longMs), rightful);
    await accomplice.end();
  }
}

/**
 * A debugger that was there before, one that is the parent, one that has let go; and one that holds another thread than
 * the first, which is not looked at (docs/decisions/0006-peers.md).
 */
async function debugged(stage: Stage, rounds: number): Promise<Tallies> {
  const { accomplice } = stage;
  const [before, parent, after, thread] = [newTally(), newTally(), newTally(), newTally()];
  for (let round = 0; round < rounds; round++) {
    const user = nextAttacker(gid);
    const pid = await accomplice.enter('first', user);
    await accomplice.order('first debuggable');
    await attach(stage, user, pid);
    for (const line of ['first connect', 'first speak']) await accomplice.order(line);
    count(before, await accomplice.listen(longMs, 'first'), 'nothing');
    await accomplice.order('me kill tracer');
    for (const line of ['first make', 'first connect', 'first speak']) await accomplice.order(line);
    count(after, await accomplice.hear(longMs, 'first'), [id('plain')]);
    for (const line of ['me child first taker', 'taker tracedByParent', 'taker make', 'taker connect', 'taker speak'])
      await accomplice.order(line);
    count(parent, await accomplice.listen(longMs, 'taker'), 'nothing');
    await attach(stage, user, Number(await accomplice.order('first linger')));
    for (const line of ['first make', 'first connect', 'first speak']) await accomplice.order(line);
    count(thread, await accomplice.hear(longMs, 'first'), [id('plain')]);
    await accomplice.end();
  }
  return {
    'a debugger attached before it connects': before,
    'a debugger is its parent': parent,
    'a debugger has let go': after,
    'a debugger holds another thread': thread,
  };
}

async function attach({ accomplice }: Stage, user: User, pid: number): Promise<void> {
  await accomplice.enter('tracer', user);
  await accomplice.order(`tracer trace ${pid}`);
}

/** A copy of a program that may do as root may, whoever starts it. */
function privileged({ directory }: Stage): string {
  const program = join(directory, 'privileged');
  copyFileSync('/bin/sleep', program);
  // struct vfs_cap_data, revision 2: effective, CAP_SETUID permitted.
  const capabilities = '0100000280000000000000000000000000000000';
  const script = 'import os, sys; os.setxattr(sys.argv[1], "security.capability", bytes.fromhex(sys.argv[2]))';
  execFileSync('/usr/bin/python3', ['-c', script, program, capabilities]);
  return program;
}
