/**
 * Connections that die at any point, a hundred thousand of them: no descriptor may be left of any (R-RES-1).
 *
 *   node test/attack/dying.ts [100000]
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fetchX509Svid } from '../integration/callers.ts';
import { type Mayfly, run, startMayfly, until } from '../integration/fixture.ts';

/** Handed over as text: other users cannot reach every checkout. */
const script = readFileSync(join(import.meta.dirname, 'dying.pl'), 'utf8');
const perProcess = 20;
const seed = 4;
const uids = [20_001, 20_002];

export interface Dead {
  readonly connections: number;
  readonly before: number;
  /** When the last of them is gone. */
  readonly after: number;
}

/** One user is owed something, the other nothing; both die all the time. */
export async function letDie(mayfly: Mayfly, connections: number): Promise<Dead> {
  const [owed = 0] = uids;
  await mayfly.operator.create({ spiffeId: 'spiffe://example.org/dies', selectors: [`unix:uid:${owed}`] });
  // Whatever is opened once and for all is open from now on.
  await callers(mayfly, uids, perProcess);
  const before = await settled(mayfly, undefined);
  const made = await callers(mayfly, uids, connections);
  return { connections: made, before, after: await settled(mayfly, before) };
}

const descriptorsOf = ({ pid }: Mayfly): number => readdirSync(`/proc/${pid}/fd`).length;

/** The number of descriptors, once it is what is expected, or has stopped to change. */
async function settled(mayfly: Mayfly, expected: number | undefined): Promise<number> {
  let last = -1;
  await until(
    'the descriptors come to rest',
    () => {
      const now = descriptorsOf(mayfly);
      const rests = now === last || (expected !== undefined && now <= expected);
      last = now;
      return rests;
    },
    30_000,
  );
  return last;
}

async function callers(mayfly: Mayfly, users: readonly number[], connections: number): Promise<number> {
  const rounds = Math.max(1, Math.ceil(connections / users.length / perProcess));
  const words = [mayfly.socket, fetchX509Svid().toString('hex'), rounds, perProcess, seed].map(String);
  const made = users.map(async (uid) => {
    const user = { uid, gid: uid, cwd: '/', timeout: 900_000 };
    const { status, stdout, stderr } = await run('/usr/bin/perl', ['-e', script, ...words], user);
    if (status !== 0) throw new Error(stderr);
    return Number(stdout);
  });
  return (await Promise.all(made)).reduce((sum, one) => sum + one, 0);
}

if (import.meta.main) {
  await using mayfly = await startMayfly();
  const dead = await letDie(mayfly, Number(process.argv[2] ?? 100_000));
  process.stdout.write(`connections that died: ${JSON.stringify(dead)}\n`);
  const alive = await (await mayfly.workload(uids[0] ?? 0)).x509();
  process.exitCode = dead.after <= dead.before + 5 && alive.svids.length === 1 ? 0 : 1;
}
