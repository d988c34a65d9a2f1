/** Workloads of as many users, each a process of its own that holds one stream, and what each message brings. */
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { recordedRequest } from './racers.ts';

const program = join(import.meta.dirname, 'tenants.pl');
export const firstUid = 30_000;

export interface TenantMessage {
  readonly tenant: number;
  /** By the clock of `nowMs`. */
  readonly at: number;
  /** Who signed each of its SVIDs. */
  readonly authorities: readonly string[];
}

export class Tenants implements Disposable {
  readonly messages: TenantMessage[] = [];
  readonly #leader: ChildProcess;
  readonly #count: number;
  #changed = (): void => undefined;

  private constructor(leader: ChildProcess, count: number) {
    this.#leader = leader;
    this.#count = count;
    const { stdout } = leader;
    if (stdout === null) throw new Error('no pipe');
    createInterface({ input: stdout }).on('line', (line) => {
      const [tenant, at, ...authorities] = line.split(' ');
      this.messages.push({ tenant: Number(tenant), at: Number(at), authorities });
      this.#changed();
    });
  }

  /** Resolves when each has had its first message. They are users from `firstUid` on. */
  static async hold(socket: string, directory: string, count: number): Promise<Tenants> {
    const request = join(directory, 'request.bin');
    writeFileSync(request, await recordedRequest(join(directory, 'recorder')));
    const words = [program, socket, request, String(count), String(firstUid)];
    const tenants = new Tenants(spawn('perl', words, { detached: true, stdio: ['ignore', 'pipe', 'inherit'] }), count);
    try {
      await tenants.all('a first message for each', () => true);
    } catch (error) {
      tenants[Symbol.dispose]();
      throw error;
    }
    return tenants;
  }

  /** Resolves when the newest message of each is as wanted; says when the last of them came. */
  all(what: string, wanted: (message: TenantMessage) => boolean, withinMs = 120_000): Promise<number> {
    const newest = new Map<number, TenantMessage>();
    let read = 0;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const look = (): void => {
      for (; read < this.messages.length; read++) {
        const message = this.messages[read];
        if (message === undefined) continue;
        if (wanted(message)) newest.set(message.tenant, message);
        else newest.delete(message.tenant);
      }
      if (newest.size === this.#count) resolve(Math.max(...[...newest.values()].map(({ at }) => at)));
    };
    this.#changed = look;
    const late = () => reject(new Error(`${what}: ${newest.size} of ${this.#count} within ${withinMs} ms`));
    const timer = setTimeout(late, withinMs);
    look();
    return promise.finally(() => clearTimeout(timer));
  }

  [Symbol.dispose](): void {
    process.kill(-(this.#leader.pid ?? 0), 'SIGTERM');
  }
}
