/** The attacker of `accomplice.pl`: orders as methods. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('accomplice.pl', import.meta.url));

export interface User {
  readonly uid: number;
  readonly gid: number;
}

export interface Heard {
  readonly closed: boolean;
  readonly ids: readonly string[];
}

export class Accomplice implements Disposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: ((line: string) => void)[] = [];

  /** @param request a file with the bytes of a whole request */
  constructor(socket: string, request: string) {
    this.#child = spawn('/usr/bin/perl', [program, socket, request], { stdio: ['pipe', 'pipe', 'inherit'], cwd: '/' });
    this.#child.stdin.on('error', () => undefined);
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#answers.shift()?.(line));
    this.#child.once('exit', () => {
      for (const answer of this.#answers.splice(0)) answer('gone');
    });
  }

  async connect({ uid, gid }: User, speaker: 'first' | 'accomplice' | 'nobody'): Promise<number> {
    return Number(await this.#order(`connect ${uid} ${gid} ${speaker}`));
  }

  async speak(): Promise<void> {
    await this.#order('speak');
  }

  /** Lets go of the connection, so that only the process that made it has it. */
  async leave(): Promise<void> {
    await this.#order('leave');
  }

  /** What the process that connected does next. */
  async first(order: string): Promise<void> {
    await this.#order(`first ${order}`);
  }

  /** The process that connected dies; its pid is given to another, if all goes well: answers which pid that one has. */
  async reuse({ uid, gid }: User, program = ''): Promise<number> {
    return Number(await this.#order(`reuse ${uid} ${gid} ${program}`));
  }

  /** All that is sent on the connection until it is closed. */
  async listen(ms: number): Promise<Heard> {
    return heard(await this.#order(`listen ${ms}`));
  }

  /** The first that is sent. */
  async hear(ms: number): Promise<Heard> {
    return heard(await this.#order(`hear ${ms}`));
  }

  async end(): Promise<void> {
    await this.#order('end');
  }

  [Symbol.dispose](): void {
    this.#child.stdin.end();
  }

  #order(line: string): Promise<string> {
    return new Promise((resolve) => {
      this.#answers.push(resolve);
      this.#child.stdin.write(`${line}\n`);
    });
  }
}

function heard(line: string): Heard {
  const [state, ...ids] = line.split(' ');
  return { closed: state === 'closed', ids };
}
