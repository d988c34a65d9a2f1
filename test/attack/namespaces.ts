/**
 * Callers in other namespaces than the issuer: they are who they are out here, whatever they call themselves there; and
 * whoever has no name where the issuer is gets nothing (docs/decisions/0007-paths-and-unknown-ids.md).
 */
import { mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { launcher, run } from '../integration/fixture.ts';
import { heard } from './accomplice.ts';
import { id, longMs, nextAttacker, Stage } from './stage.ts';
import { count, newTally, type Rightful, type Tallies, type Tally } from './tally.ts';

const gid = 30_005;
const trusted = realpathSync('/bin/sleep');

export async function namespaces(stage: Stage, rounds: number): Promise<Tallies> {
  const { operator } = stage;
  const ofGroup = `unix:gid:${gid}`;
  await operator.createAll([
    { spiffeId: id('plain'), selectors: [ofGroup] },
    { spiffeId: id('victim/root'), selectors: ['unix:uid:0'] },
    { spiffeId: id('victim/program'), selectors: [ofGroup, `unix:path:${trusted}`] },
  ]);
  const own = [id('plain')];
  const speak = ['connect', 'speak'];
  const tallies = {
    'caller that is root in a user namespace of its own': await ask(
      ['debuggable', 'unshare user', ...speak],
      'first',
      own,
    ),
    'caller in a PID namespace below ours': await ask(
      ['debuggable', 'unshare user pid', 'fork taker', ...speak],
      'taker',
      own,
    ),
    'program under the path of another, in a mount namespace': await ask(
      ['debuggable', 'unshare user mount', `masquerade ${trusted}`],
      'first',
      own,
    ),
  };
  const elsewhere = {
    'caller outside our user namespace': outsideUsers,
    'caller outside our PID namespace': outsidePids,
  };
  const outside: Record<string, Tally> = {};
  for (const [name, attack] of Object.entries(elsewhere)) outside[name] = await attack(stage.directory, rounds);
  return { ...tallies, ...outside };

  async function ask(lines: readonly string[], asker: 'first' | 'taker', rightful: Rightful): Promise<Tally> {
    const tally = newTally();
    for (let round = 0; round < rounds; round++) count(tally, await answer(stage, lines, asker), rightful);
    tally.wrong += await stage.issued(['victim/root', 'victim/program']);
    return tally;
  }
}

/** Tells `first`, and then the one that it has forked, what to do. */
async function answer({ accomplice }: Stage, lines: readonly string[], asker: 'first' | 'taker') {
  await accomplice.enter('first', nextAttacker(gid));
  let [actor, said] = ['first', ''];
  for (const line of lines) {
    if (line === 'fork taker') await accomplice.order('me child first taker');
    if (line === 'fork taker') actor = asker;
    else said = await accomplice.order(`${actor} ${line}`);
  }
  const found = lines.at(-1) === 'speak' ? await accomplice.hear(longMs, asker) : heard(said);
  await accomplice.end();
  return found;
}

/** The issuer is in a user namespace with one user, and sees all others as 65534. */
async function outsideUsers(directory: string, rounds: number): Promise<Tally> {
  const prefix = ['unshare', '--user', '--map-root-user'];
  await using stage = await Stage.open(below(directory, 'users'), { prefix, nobodyYet: true });
  await register(
    stage,
    ['--user', '--preserve-credentials'],
    stage.issuer.pid,
    `unix:path:${realpathSync('/usr/bin/python3')}`,
  );
  return await refused(stage, rounds);
}

/** The issuer is in a PID namespace below that of its callers: they have no pid there. */
async function outsidePids(directory: string, rounds: number): Promise<Tally> {
  const prefix = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child=SIGKILL'];
  await using stage = await Stage.open(below(directory, 'pids'), { prefix, stopSignal: 'SIGKILL', nobodyYet: true });
  const { pid } = stage.issuer;
  const issuer = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
  await register(stage, ['--pid', '--mount'], issuer, `unix:gid:${gid}`);
  return await refused(stage, rounds);
}

/** The operator has to be where the issuer is: out here it is as unknown to it as anybody. */
async function register(stage: Stage, where: readonly string[], issuer: number, selector: string): Promise<void> {
  const env = { ...process.env, MAYFLY_ADMIN_SOCKET: join(stage.directory, 'admin', 'admin.sock') };
  const entry = ['--spiffe-id', id('anybody'), '--selector', selector, '--owner', 'ada'];
  for (const words of [
    ['person', 'add', 'ada', '--name', 'Ada'],
    ['entry', 'create', ...entry],
  ]) {
    const { status, stderr } = await run('nsenter', [...where, '--target', String(issuer), launcher, ...words], {
      env,
    });
    if (status !== 0) throw new Error(stderr);
  }
}

async function refused(stage: Stage, rounds: number): Promise<Tally> {
  const tally = newTally();
  for (let round = 0; round < rounds; round++) {
    await stage.accomplice.connect(nextAttacker(gid), 'first');
    count(tally, await stage.verdict(), 'nothing');
  }
  return tally;
}

function below(directory: string, name: string): string {
  const place = join(directory, name);
  mkdirSync(place, { mode: 0o755 });
  return place;
}
