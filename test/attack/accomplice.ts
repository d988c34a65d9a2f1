/** The cast of `accomplice.py`: orders as methods. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('accomplice.py', import.meta.url));

export interface User {
  readonly uid: number;
  readonly gid: number;
}

export interface Heard {
  /** Is the connection over, or at least the call? */
  readonly closed: boolean;
  readonly ids: readonly string[];
}

export class Accomplice implements Disposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: ((line: string) => void)[] = [];

  /** @param request a file with the bytes of a whole request */
  constructor(socket: string, request: string) {
    const words = ['-I', '-S', '-B', program, socket, request];
    this.#child = spawn('/usr/bin/python3', words, { stdio: ['pipe', 'pipe', 'inherit'], cwd: '/' });
    this.#child.stdin.on('error', () => undefined);
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#answers.shift()?.(line));
    this.#child.once('exit', () => {
      for (const answer of this.#answers.splice(0)) answer('failed: gone');
    });
  }

  /** What an actor is told to do, and what it says to that. */
  async order(line: string): Promise<string> {
    const answer = await new Promise<string>((resolve) => {
      this.#answers.push(resolve);
      this.#child.stdin.write(`${line}\n`);
    });
    if (answer.startsWith('failed')) throw new Error(`${line}: ${answer}`);
    return answer;
  }

  /** A new process of that user. */
  async enter(actor: string, { uid, gid }: User, gifts = ''): Promise<number> {
    return pidIn(await this.order(`me enter ${actor} ${uid} ${gid} ${gifts}`));
  }

  /** `first` makes a connection that `me` holds as well; who speaks on it? */
  async connect(user: User, speaker: 'first' | 'me' | 'nobody', gifts = ''): Promise<number> {
    await this.order('me make');
    const pid = await this.enter('first', user, gifts);
    await this.order('first connect');
    if (speaker !== 'nobody') await this.order(`${speaker} speak`);
    return pid;
  }

  /** The process that connected dies; its pid is given to another, if all goes well: answers which pid that one has. */
  async reuse({ uid, gid }: User, execute = ''): Promise<number> {
    return pidIn(await this.order(`me reuse first second ${uid} ${gid} ${execute}`));
  }

  /** All that is sent on the connection until it, or the call, is over. */
  async listen(ms: number, actor = 'me'): Promise<Heard> {
    return heard(await this.order(`${actor} listen ${ms}`));
  }

  /** The first that is sent. */
  async hear(ms: number, actor = 'me'): Promise<Heard> {
    return heard(await this.order(`${actor} hear ${ms}`));
  }

  async end(): Promise<void> {
    await this.order('me end');
  }

  [Symbol.dispose](): void {
    this.#child.stdin.end();
  }
}

function pidIn(answer: string): number {
  if (!/^\d+$/.test(answer)) throw new Error(answer);
  return Number(answer);
}

export function heard(line: string): Heard {
  const [state, ...ids] = line.split(' ');
  return { closed: state !== 'open', ids };
}
