import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const launcher = fileURLToPath(new URL('../../mayfly', import.meta.url));
/** With a user id as its first argument, the same for that user. */
export const commandAsUser = fileURLToPath(new URL('command-as-user.ts', import.meta.url));

export interface Ended {
  readonly out: string;
  readonly err: string;
  readonly code: number | null;
}

interface Surroundings {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly uid?: number;
  readonly cwd?: string;
}

/** Runs the real launcher as a person would, with nothing of this process's environment but the path. */
export function mayfly(words: readonly string[], surroundings: Surroundings = {}): Promise<Ended> {
  const { env = {}, input = '', uid, cwd } = surroundings;
  const [program, ...before] = uid === undefined ? [launcher] : [process.execPath, commandAsUser, `${uid}`];
  const child = spawn(program, [...before, ...words], {
    env: { PATH: '/usr/bin:/bin', ...env },
    ...(cwd === undefined ? {} : { cwd }),
  });
  return new Promise((resolve, reject) => {
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    child.on('error', reject).on('close', (code) => resolve({ out, err, code }));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}
