/** A program that is run in our place: it has our terminal, hears what we hear, and how it ends is how we end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { storageError } from './files.ts';

export interface ChildEnvironment {
  readonly variables: Readonly<Record<string, string>>;
  readonly without: readonly string[];
}

const passedOn = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGCONT', 'SIGWINCH'] as const;
/** What a terminal sends to the whole group of processes in its foreground: the child has it already. */
const fromTerminal: ReadonlySet<string> = new Set(['SIGINT', 'SIGQUIT', 'SIGWINCH']);

/** The exit code that a shell would show. @throws IdentityError where it cannot be started */
export function runInPlace(
  [program = '', ...words]: readonly string[],
  environment: ChildEnvironment,
): Promise<number> {
  const env: NodeJS.ProcessEnv = { ...process.env, ...environment.variables };
  for (const name of environment.without) delete env[name];
  return new Promise((resolve, reject) => {
    let child: ChildProcess | undefined;
    const passOn = (signal: NodeJS.Signals): void => {
      if (!(process.stdin.isTTY && fromTerminal.has(signal))) child?.kill(signal);
    };
    // Before the child is: it may be so quick that somebody has seen it, and signals us, before we go on.
    for (const signal of passedOn) process.on(signal, passOn);
    const over = (): void => {
      for (const signal of passedOn) process.off(signal, passOn);
    };
    child = spawn(program, words, { env, stdio: 'inherit' });
    child.once('error', (error) => {
      over();
      reject(storageError(error, `cannot run ${program}`));
    });
    child.once('exit', (code, signal) => {
      over();
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}
