/** A real `./mayfly up`, a quiet neighbour on it, and whoever attacks; each a process of its own. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Entry } from '../../src/gen/mayfly/admin/v1/admin.ts';
import { cpuSeconds } from '../bench/process-stat.ts';
import { first, type Mayfly, pause, startMayfly } from '../integration/fixture.ts';
import type { AttackOrder } from './attacker.ts';
import type { Attack } from './attacks.ts';
import { h2load } from './foreign.ts';
import type { Counts } from './hostile.ts';
import type { Measured, NeighbourOrder } from './neighbour.ts';

const uids = { neighbour: 20_001, entitled: 20_002, stranger: 30_001 } as const;

/** How long an attack goes on. */
export interface Length {
  readonly ms: number;
  readonly until?: Partial<Counts> | undefined;
  readonly niceness: number;
}

/** Ends an attack before its time. */
export type Enough = Promise<unknown>;

export class Scene implements AsyncDisposable {
  readonly mayfly: Mayfly;
  readonly #neighbour: ChildProcess;
  #changing: Entry;

  /** @param niceness of the server and the neighbour, as in nice(1) */
  static async open(niceness = 0, flags: readonly string[] = []): Promise<Scene> {
    const prefix = ['nice', '-n', String(niceness)];
    const mayfly = await startMayfly({ flags: ['--log-level', 'warn', ...flags], prefix });
    const owed = (uid: number, name: string) => ({
      spiffeId: `spiffe://example.org/${name}`,
      selectors: [`unix:uid:${uid}`],
      audiences: ['reports'],
    });
    const entries = await mayfly.operator.createAll([
      owed(uids.neighbour, 'neighbour'),
      owed(uids.entitled, 'entitled'),
    ]);
    const neighbour = await started('neighbour.ts');
    neighbour.send({ socket: mayfly.socket, uid: uids.neighbour, niceness } satisfies NeighbourOrder);
    const scene = new Scene(mayfly, neighbour, first(entries.slice(1)));
    await scene.neighbour(1_000);
    return scene;
  }

  private constructor(mayfly: Mayfly, neighbour: ChildProcess, changing: Entry) {
    this.mayfly = mayfly;
    this.#neighbour = neighbour;
    this.#changing = changing;
  }

  /** What the neighbour measured while `ms` passed, or something was done. */
  async neighbour(meanwhile: number | Promise<unknown>): Promise<Measured> {
    await this.#report();
    await (typeof meanwhile === 'number' ? pause(meanwhile) : meanwhile);
    return await this.#report();
  }

  async attack(attack: Attack, length: Length, enough?: Enough): Promise<Counts> {
    const uid = attack.entitled ? uids.entitled : uids.stranger;
    if ('h2load' in attack) return await h2load({ attack, socket: this.mayfly.socket, uid, ...length });
    const attacker = await started('attacker.ts');
    attacker.send({ name: attack.name, socket: this.mayfly.socket, uid, ...length } satisfies AttackOrder);
    void enough?.then(() => attacker.send('enough'));
    using _changes = attack.changes ? this.#changes() : undefined;
    try {
      const [counts] = (await once(attacker, 'message')) as [Counts];
      this.#mustLive(attack.name);
      return counts;
    } finally {
      attacker.kill('SIGKILL');
    }
  }

  get residentMiB(): number {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.mayfly.pid}/status`, 'latin1'))?.[1]) / 1024;
  }

  get descriptors(): number {
    return readdirSync(`/proc/${this.mayfly.pid}/fd`).length;
  }

  get cpuSeconds(): number {
    return cpuSeconds(this.mayfly.pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#neighbour.kill('SIGKILL');
    await this.mayfly[Symbol.asyncDispose]();
  }

  #mustLive(attack: string): void {
    const { exitCode, signalCode } = this.mayfly.process;
    if (exitCode === null && signalCode === null) return;
    throw new Error(`${attack} has ended mayfly (${exitCode ?? signalCode}):\n${this.mayfly.output.slice(-4000)}`);
  }

  /** New SVIDs for the entitled attacker, again and again. */
  #changes(): Disposable {
    let ttl = 3_000;
    const timer = setInterval(() => {
      void this.#change(ttl++).catch(() => undefined);
    }, 1_000);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  async #change(x509SvidTtl: number): Promise<void> {
    this.#changing = await this.mayfly.operator.update(this.#changing, { x509SvidTtl });
  }

  async #report(): Promise<Measured> {
    this.#neighbour.send('report');
    const [measured] = (await once(this.#neighbour, 'message')) as [Measured];
    return measured;
  }
}

async function started(program: string): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, program), [], { execArgv: [] });
  await once(child, 'message');
  return child;
}
