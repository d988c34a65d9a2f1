import { lstatSync, readFileSync, type Stats } from 'node:fs';
import { createConnection } from 'node:net';
import { dirname } from 'node:path';
import { CommandError } from './failure.ts';

/** How a person starts what should listen, or names where it does. */
export interface Expected {
  readonly what: string;
  readonly naming: string;
}

/** sun_path holds 108 bytes with its closing zero (unix(7)). */
const longestPath = 107;

/** Why nobody answers at `path`, in words for the one who asked; undefined where somebody accepts. */
export async function socketTrouble(path: string, expected: Expected): Promise<CommandError | undefined> {
  const start = `Start it with \`mayfly up\`, or name where it listens with ${expected.naming}.`;
  const unavailable = (message: string): CommandError => new CommandError('unavailable', message, start);
  if (Buffer.byteLength(path) > longestPath) {
    return new CommandError('invalid-argument', `${path} is too long for a socket`, `At most ${longestPath} bytes.`);
  }
  switch (await connectCode(path)) {
    case undefined:
      return undefined;
    case 'ENOENT':
    case 'ENOTDIR':
      return unavailable(`mayfly is not running here: there is no ${expected.what} at ${path}`);
    case 'ECONNREFUSED':
      return unavailable(`mayfly is not running: nobody listens at ${path}`);
    case 'EACCES':
    case 'EPERM':
      return denied(path, expected);
    default:
      return unavailable(`nobody answers at ${path}`);
  }
}

function connectCode(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection(path, () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
  });
}

function denied(path: string, { what, naming }: Expected): CommandError {
  const [closed, found] = closedPart(path);
  const owner = found === undefined ? '' : `: ${closed} belongs to ${userName(found.uid)}, mode ${modeOf(found)}`;
  const next = `Run the command as that user, for instance with sudo, or name another socket with ${naming}.`;
  return new CommandError('permission-denied', `you may not use the ${what} ${path}${owner}`, next);
}

/** The first thing on the way to `path` that can be looked at: the socket, or the directory that hides it. */
function closedPart(path: string): [string, Stats | undefined] {
  try {
    return [path, lstatSync(path)];
  } catch {
    return dirname(path) === path ? [path, undefined] : closedPart(dirname(path));
  }
}

const modeOf = (found: Stats): string => (found.mode & 0o7777).toString(8).padStart(4, '0');

function userName(uid: number): string {
  try {
    const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
    const name = lines.map((line) => line.split(':')).find((fields) => fields[2] === String(uid))?.[0];
    return name === undefined ? `uid ${uid}` : `${name} (uid ${uid})`;
  } catch {
    return `uid ${uid}`;
  }
}
