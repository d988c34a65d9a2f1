/**
 * The issuer cannot see what it judges by: no /proc, that of other pids, or one that hides the processes of others. It
 * does not start, or refuses whom it cannot see, and says which and what to do; it never guesses.
 */
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { launcher, run } from '../integration/fixture.ts';
import { flagsFor, id, longMs, nextAttacker, Stage } from './stage.ts';
import { count, newTally, type Tallies, type Tally } from './tally.ts';

const gid = 30_006;
/** A group that nobody is in: with group 0, as is the default, root itself would be let through. */
const hidden = 'mount -t proc -o hidepid=2,gid=30099 proc /proc';
const underMount = (command: string): string[] => ['unshare', '--mount', 'sh', '-c', `${command} && exec "$0" "$@"`];
const withoutPtrace = ['setpriv', '--bounding-set', '-sys_ptrace', '--inh-caps', '-sys_ptrace'];

export async function hiddenProc({ directory }: Stage, rounds: number): Promise<Tallies> {
  const starts = Math.min(rounds, 3);
  const places = Array.from({ length: 4 }, (_, at) => join(directory, `proc-${at}`));
  for (const place of places) mkdirSync(place, { mode: 0o755 });
  const [none = '', foreign = '', seeing = '', blind = ''] = places;
  return {
    '/proc not mounted': await refusesToStart(
      none,
      underMount('mount -t tmpfs none /proc'),
      /\/proc cannot be read/,
      starts,
    ),
    '/proc of another PID namespace': await refusesToStart(
      foreign,
      ['unshare', '--pid', '--fork'],
      /\/proc is that of another PID namespace/,
      starts,
    ),
    '/proc with hidepid=2, issuer with CAP_SYS_PTRACE': await ask(seeing, underMount(hidden), rounds, true),
    '/proc with hidepid=2, issuer without': await ask(blind, [...underMount(hidden), ...withoutPtrace], rounds, false),
  };
}

async function refusesToStart(place: string, prefix: readonly string[], why: RegExp, starts: number): Promise<Tally> {
  const tally = newTally();
  for (let start = 0; start < starts; start++) {
    const { code, said } = await started([...prefix, launcher, 'up', ...flagsFor(place)]);
    if (code === 0 || !why.test(said)) throw new Error(`it ended with ${code} and said: ${said}`);
    count(tally, { closed: true, ids: [] }, 'nothing');
  }
  return tally;
}

function started([program = '', ...args]: readonly string[]): Promise<{
  readonly code: number | null;
  readonly said: string;
}> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes: Buffer) => {
      said += bytes.toString();
    });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, said })));
}

async function ask(place: string, prefix: readonly string[], rounds: number, sees: boolean): Promise<Tally> {
  await using stage = await Stage.open(place, { prefix, nobodyYet: true });
  await register(stage, sees ? [] : withoutPtrace);
  const tally = newTally();
  for (let round = 0; round < rounds; round++) {
    await stage.accomplice.connect(nextAttacker(gid), 'first');
    if (sees) count(tally, await stage.accomplice.hear(longMs), [id('group')]);
    else count(tally, await stage.accomplice.listen(longMs), 'nothing');
    await stage.accomplice.end();
  }
  if (!sees && !/CAP_SYS_PTRACE/.test(stage.log))
    throw new Error(`the log does not say what is missing:\n${stage.log}`);
  return tally;
}

/** Whoever may do more than the issuer cannot be seen by it: the operator is to be no more than that. */
async function register({ directory }: Stage, prefix: readonly string[]): Promise<void> {
  const env = { ...process.env, MAYFLY_ADMIN_SOCKET: join(directory, 'admin', 'admin.sock') };
  const entry = ['--spiffe-id', id('group'), '--selector', `unix:gid:${gid}`, '--owner', 'ada'];
  for (const words of [
    ['person', 'add', 'ada', '--name', 'Ada'],
    ['entry', 'create', ...entry],
  ]) {
    const [program = '', ...args] = [...prefix, launcher, ...words];
    const { status, stderr } = await run(program, args, { env });
    if (status !== 0) throw new Error(stderr);
  }
}
