/** A real `./mayfly up` that stands still wherever an attack wants it to, an operator, and an attacker of two processes. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Failpoint } from '../../src/runtime/failpoint.ts';
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

export class Stage implements AsyncDisposable {
  readonly issuer: Issuer;
  readonly operator: Operator;
  readonly accomplice: Accomplice;
  readonly directory: string;

  private constructor(directory: string, issuer: Issuer) {
    this.issuer = issuer;
    this.directory = directory;
    this.operator = new Operator(join(directory, 'admin', 'admin.sock'));
    const request = join(directory, 'request.bin');
    writeFileSync(request, fetchX509Svid(), { mode: 0o644 });
    this.accomplice = new Accomplice(join(directory, 'run', 'api.sock'), request);
  }

  /** @param directory an empty one that every user may pass through */
  static async open(directory: string): Promise<Stage> {
    mkdirSync(join(directory, 'run'), { mode: 0o755 });
    mkdirSync(join(directory, 'admin'), { mode: 0o700 });
    const log = join(directory, 'log');
    const places = { 'data-dir': 'data', socket: 'run/api.sock', 'admin-socket': 'admin/admin.sock' };
    const flags = Object.entries(places).flatMap(([flag, place]) => [`--${flag}`, join(directory, place)]);
    const issuer = new Issuer({ flags: ['--trust-domain', 'example.org', ...flags], log });
    if ((await issuer.ready) === undefined) throw new Error(`it did not start:\n${readFileSync(log, 'utf8')}`);
    const stage = new Stage(directory, issuer);
    await stage.operator.addPerson('ada');
    return stage;
  }

  /** Runs `meanwhile` while the issuer stands still at `point`, which `begin` makes it pass. */
  async at(point: Point, begin: () => Promise<unknown>, meanwhile: () => Promise<unknown>): Promise<void> {
    const failpoint = points[point];
    const before = this.issuer.hits.length;
    if (failpoint === undefined) this.issuer.signal('SIGSTOP');
    else await this.issuer.arm({ at: failpoint, action: 'pause' });
    const begun = begin();
    if (failpoint !== undefined && !(await this.issuer.hit(before + 1, 5_000)))
      throw new Error(`never at ${failpoint}`);
    await this.#stopped();
    // A push is answered when the issuer has been let go; a connection is there although nobody answers on it.
    if (point !== 'on a push') await begun;
    await meanwhile();
    this.issuer.signal('SIGCONT');
    await begun;
  }

  /** What the accomplice is sent until it is hung up on; then everybody goes. */
  async verdict(): Promise<Heard> {
    const heard = await this.accomplice.listen(2_000);
    await this.accomplice.end();
    return heard;
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
    for (const signal of ['SIGTERM', 'SIGCONT'] as const) this.issuer.signal(signal);
    await this.issuer.exited;
  }
}
