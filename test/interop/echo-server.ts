import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Mayfly } from '../integration/fixture.ts';
import { environmentOf, type Line } from './stage.ts';

export const any = '127.0.0.1:0';

/** A server under a user of its own, known by the address it prints. Without `uid` it sees to its user itself. */
export class Server implements Disposable {
  readonly #child: ChildProcess;
  readonly lines: Line[] = [];
  readonly listening: Promise<string>;

  constructor(mayfly: Mayfly, program: string, args: readonly string[], uid?: number) {
    const user = uid === undefined ? {} : { uid, gid: uid };
    const env = environmentOf(mayfly.endpoint);
    this.#child = spawn(program, args, { ...user, env, cwd: '/', stdio: ['ignore', 'pipe', 'inherit'] });
    this.listening = new Promise((resolve, reject) => {
      this.#child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
      createInterface({ input: this.#child.stdout ?? process.stdin }).on('line', (text) => {
        const line = JSON.parse(text) as Line;
        this.lines.push(line);
        if (typeof line['listening'] === 'string') resolve(line['listening']);
      });
    });
    this.listening.catch(() => undefined);
  }

  [Symbol.dispose](): void {
    this.#child.removeAllListeners('exit');
    this.#child.kill('SIGKILL');
  }
}
