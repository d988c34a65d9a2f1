/** One issuer with short lives, its people and entries made by the real command line, and who plays which part. */
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { commandAsUser } from '../fakes/command-line.ts';
import { type Mayfly, type Outcome, run } from '../integration/fixture.ts';
import { goProgram, pyProbe, python, sdkEcho } from './tools.ts';

export const trustDomain = 'example.org';
export const id = (name: string): string => `spiffe://${trustDomain}/${name}`;

/** Each part has a user of its own, and an entry for it; a stranger has none. */
export const users = {
  goServer: 10001,
  goClient: 10002,
  nodeServer: 10003,
  nodeClient: 10004,
  python: 10005,
  files: 10006,
  many: 10007,
  late: 10008,
  stranger: 10099,
} as const;

export const names: Readonly<Record<Exclude<keyof typeof users, 'many' | 'late' | 'stranger'>, string>> = {
  goServer: 'go-server',
  goClient: 'go-client',
  nodeServer: 'node-server',
  nodeClient: 'node-client',
  python: 'python',
  files: 'files',
};

export const caTtlSeconds = 45;
export const flags = ['--ca-ttl', `${caTtlSeconds}s`, '--x509-ttl', '15s', '--jwt-ttl', '10s'];

/** As an operator would: one command for each. */
export async function register(mayfly: Mayfly): Promise<void> {
  for (const [part, name] of Object.entries(names)) {
    await createEntry(mayfly, id(name), users[part as keyof typeof names], '--audience', 'reports');
  }
  for (const hint of ['primary', 'secondary', 'third']) {
    await createEntry(
      mayfly,
      id(`many/${hint}`),
      users.many,
      '--hint',
      hint,
      '--audience',
      'reports',
      '--audience',
      'bench-*',
    );
  }
}

export async function createEntry(mayfly: Mayfly, spiffeId: string, uid: number, ...more: string[]): Promise<void> {
  const selector = ['--selector', `unix:uid:${uid}`];
  const args = ['entry', 'create', '--spiffe-id', spiffeId, ...selector, '--owner', 'ada', ...more];
  const { status, stderr } = await mayfly.command(...args, '--json');
  if (status !== 0) throw new Error(`mayfly ${args.join(' ')}: ${stderr.trim()}`);
}

/** What a judge sees of the world. */
export const environmentOf = (endpoint: string): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  HOME: '/nonexistent',
  SPIFFE_ENDPOINT_SOCKET: endpoint,
});

/** Runs a judge; what it printed, or why it failed. Without `uid` it becomes one of the users by itself, once loaded. */
function act(
  mayfly: Mayfly,
  program: string,
  args: readonly string[],
  uid?: number,
  timeout = 90_000,
): Promise<Outcome> {
  const user = uid === undefined ? {} : { uid, gid: uid };
  return run(program, args, { ...user, env: environmentOf(mayfly.endpoint), cwd: '/', timeout });
}

/** The lines of JSON that a judge prints when it is satisfied. */
async function judged<T = Line>(...parts: Parameters<typeof act>): Promise<T[]> {
  const { status, stdout, stderr } = await act(...parts);
  if (status !== 0) throw new Error(stderr.trim().split('\n').at(-1) || `ended with ${status}`);
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);
}

/** What a judge says, one JSON object for each line. */
export type Line = Readonly<Record<string, unknown>>;

export const go = (mayfly: Mayfly, uid: number, ...args: string[]): Promise<Line[]> =>
  judged(mayfly, goProgram('spiffe'), args, uid);
/** One that goes on for longer than the others. */
export const goFor = (ms: number, mayfly: Mayfly, uid: number, ...args: string[]): Promise<Line[]> =>
  judged(mayfly, goProgram('spiffe'), args, uid, ms);
export const generic = (mayfly: Mayfly, ...args: string[]): Promise<unknown[]> =>
  judged<unknown>(mayfly, goProgram('generic'), args, users.stranger);
export const py = (mayfly: Mayfly, uid: number, ...args: string[]): Promise<Line[]> =>
  judged(mayfly, python, [pyProbe, ...args], uid);
export const node = (mayfly: Mayfly, uid: number, ...args: string[]): Promise<Line[]> =>
  judged(mayfly, process.execPath, [sdkEcho, `${uid}`, ...args]);
export const nodeFor = (ms: number, mayfly: Mayfly, uid: number, ...args: string[]): Promise<Line[]> =>
  judged(mayfly, process.execPath, [sdkEcho, `${uid}`, ...args], undefined, ms);

/** The real command line, run by one of the users; what it printed. */
export async function cli(mayfly: Mayfly, uid: number, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await act(mayfly, process.execPath, [commandAsUser, `${uid}`, ...args]);
  if (status !== 0) throw new Error(`mayfly ${args.join(' ')}: ${stderr.trim()}`);
  return stdout;
}

/** A directory that one of the users may write. */
export async function directoryOf(mayfly: Mayfly, uid: number, name: string): Promise<string> {
  const directory = join(mayfly.directory, name);
  mkdirSync(directory);
  await run('chown', [`${uid}:${uid}`, directory]);
  chmodSync(directory, 0o755);
  return directory;
}
