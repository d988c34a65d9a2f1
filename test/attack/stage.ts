/** A real `./mayfly up` that stands still wherever an attack wants it to, an operator, and an attacker of several processes. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Failpoint } from '../../src/runtime/failpoints.ts';
import { Issuer } from '../fault/issuer.ts';
import { Operator } from '../integration/admin.ts';
import { fetchX509Svid } from '../integration/callers.ts';
import { Accomplice, type Heard, type User } from './accomplice.ts';

export const id = (name: string): string => `spiffe://example.org/${name}`;

/** Where in its work the issuer is when the caller stops being who it was. */
export const points = {
  'before accept': undefined,
  'before the /proc reads': 'peer.pinned',
  'during the /proc reads': 'peer.half-learned',
  'after the match': 'agent.entitled',
  'during signing': 'agent.x509-signed',
  'before the write': 'agent.x509-recorded',
  'on a push': 'agent.x509-recorded',
} as const satisfies Record<string, Failpoint | undefined>;
export type Point = keyof typeof points;

/** Users of the attacker: many, so that what one user may do in a while is no answer. Their group is what entries name. */
const attackers = 200;
let turn = 0;
export const nextAttacker = (gid: number): User => ({ uid: 20_000 + (turn++ % attackers), gid });

export interface StageOptions {
  /** Program and arguments to put before the issuer. */
  readonly prefix?: readonly string[];
  /** What ends it, where something stands between us and it. */
  readonly stopSignal?: NodeJS.Signals;
  /** An operator out here is nobody to it. */
  readonly nobodyYet?: boolean;
}

export class Stage implements AsyncDisposable {
  readonly issuer: Issuer;
  readonly operator: Operator;
  readonly accomplice: Accomplice;
  readonly directory: string;
  readonly #stopSignal: NodeJS.Signals;
  #issued = 0;

  private constructor(directory: string, issuer: Issuer, stopSignal: NodeJS.Signals) {
    this.issuer = issuer;
    this.directory = directory;
    this.#stopSignal = stopSignal;
    this.operator = new Operator(join(directory, 'admin', 'admin.sock'));
    const request = join(directory, 'request.bin');
    writeFileSync(request, fetchX509Svid(), { mode: 0o644 });
    this.accomplice = new Accomplice(join(directory, 'run', 'api.sock'), request);
  }

  /** @param directory an empty one that every user may pass through */
  static async open(
    directory: string,
    { prefix = [], stopSignal = 'SIGTERM', nobodyYet }: StageOptions = {},
  ): Promise<Stage> {
    mkdirSync(join(directory, 'run'), { recursive: true, mode: 0o755 });
    mkdirSync(join(directory, 'admin'), { mode: 0o700 });
    const log = join(directory, 'log');
    const issuer = new Issuer({ flags: flagsFor(directory), log, prefix });
    if ((await issuer.ready) === undefined) throw new Error(`it did not start:\n${readFileSync(log, 'utf8')}`);
    const stage = new Stage(directory, issuer, stopSignal);
    if (nobodyYet !== true) await stage.operator.addPerson('ada');
    return stage;
  }

  /** What it has logged. */
  get log(): string {
    return readFileSync(join(this.directory, 'log'), 'utf8');
  }

  /** Runs `meanwhile` while the issuer stands still at `point`, which `begin` makes it pass. */
  async at(point: Point, begin: () => Promise<unknown>, meanwhile: () => Promise<unknown>): Promise<void> {
    const failpoint = points[point];
    const before = this.issuer.hits.length;
    if (failpoint === undefined) this.issuer.signal('SIGSTOP');
    else await this.issuer.arm({ at: failpoint, action: 'pause' });
    const begun = begin();
    if (failpoint !== undefined && !(await this.issuer.hit(before + 1, longMs)))
      throw new Error(`never at ${failpoint}`);
    await this.#stopped();
    // A push is answered when the issuer has been let go; a connection is there although nobody answers on it.
    if (point !== 'on a push') await begun;
    await meanwhile();
    this.issuer.signal('SIGCONT');
    await begun;
  }

  /** Runs `begin`, which connects, and goes on when the issuer has learned who that is and nobody has said a word yet. */
  async learned(begin: () => Promise<unknown>): Promise<void> {
    const before = this.issuer.hits.length;
    await this.issuer.arm({ at: 'peer.half-learned', action: 'delay 0' });
    await begin();
    if (!(await this.issuer.hit(before + 1, longMs))) throw new Error('it was never learned');
    // The answer comes in a later turn of the issuer than the rest of the learning.
    await this.issuer.disarm();
  }

  /** What the accomplice is sent until it is hung up on; then everybody goes. */
  async verdict(): Promise<Heard> {
    const heard = await this.accomplice.listen(longMs);
    await this.accomplice.end();
    return heard;
  }

  /** How many credentials were issued under these names since that was last asked: for whom nobody listened, too. */
  async issued(names: readonly string[]): Promise<number> {
    const records = await Promise.all(names.map((name) => this.operator.records({ spiffeId: id(name) })));
    const all = records.flat().filter(({ kind }) => kind.endsWith('issued')).length;
    const fresh = all - this.#issued;
    this.#issued = all;
    return fresh;
  }

  async #stopped(): Promise<void> {
    for (;;) {
      const state = readFileSync(`/proc/${this.issuer.pid}/stat`, 'latin1').split(') ')[1]?.[0];
      if (state === 'T') return;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.accomplice[Symbol.dispose]();
    this.operator[Symbol.dispose]();
    for (const signal of [this.#stopSignal, 'SIGCONT'] as const) this.issuer.signal(signal);
    await this.issuer.exited;
  }
}

/** Nothing takes so long, on however busy a machine. */
export const longMs = 10_000;

export function flagsFor(directory: string): string[] {
  const places = { 'data-dir': 'data', socket: 'run/api.sock', 'admin-socket': 'admin/admin.sock' };
  const flags = Object.entries(places).flatMap(([flag, place]) => [`--${flag}`, join(directory, place)]);
  return ['--trust-domain', 'example.org', ...flags];
}
