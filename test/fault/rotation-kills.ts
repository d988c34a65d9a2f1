/**
 * kill -9 at every step in the life of an authority, while an operator replaces, taints and revokes as fast as can be:
 * after each start there is one of each kind that signs, nothing was signed by one that was not published, and no key is
 * left that nobody knows of. The same with one issuer below another, where either dies.
 *
 *   node test/fault/rotation-kills.ts [--times 20]
 */
import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Failpoint } from '../../src/runtime/failpoints.ts';
import { Operator } from '../integration/admin.ts';
import { Issuer } from './issuer.ts';
import { killNested } from './nested-kills.ts';
import { orderPoints, rotationPoints } from './points.ts';
import { type Kills, kinds, replaceBoth, strayKeys, trustDomain } from './rotation-orders.ts';

/** Of the first start, or of one whose clock has gone on: the fault runner comes by those. */
const elsewhere: ReadonlySet<string> = new Set(['authority.retired-recorded', 'authority.retired-journaled']);
const points = [...rotationPoints, ...orderPoints].filter((point) => !elsewhere.has(point));

const heardMs = 1_000;

export async function killAtEveryStep(times: number): Promise<Kills> {
  const directory = mkdtempSync(join(tmpdir(), 'mayfly-kills-'));
  mkdirSync(join(directory, 'admin'), { mode: 0o700 });
  const scene = new Scene(directory);
  try {
    for (let round = 0; round < times; round++) for (const point of points) await scene.die(point, round % 3);
    return scene;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

class Scene implements Kills {
  readonly deaths = new Map<Failpoint, number>();
  readonly findings: string[] = [];
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** @param after passes of that step before the one at which it dies */
  async die(at: Failpoint, after: number): Promise<void> {
    const issuer = this.#start([{ at, action: 'kill', after }]);
    if ((await issuer.ready) !== undefined) await this.#orderUntilDead(issuer);
    // Its orders fail a moment before its end is heard of.
    if (issuer.hits.length > 0 || (await issuer.hit(1, heardMs))) this.deaths.set(at, (this.deaths.get(at) ?? 0) + 1);
    issuer.signal('SIGKILL');
    await issuer.exited;
    this.#findOrphans(`killed at ${at}`, 1);
    await this.#startSound(at);
  }

  async #orderUntilDead(issuer: Issuer): Promise<void> {
    using operator = new Operator(this.#adminSocket);
    for (let turn = 0; turn < 4 && !issuer.ended; turn++) await replaceBoth(operator).catch(() => undefined);
  }

  /** What every start must leave, whatever came before. */
  async #startSound(at: Failpoint): Promise<void> {
    const issuer = this.#start([]);
    if ((await issuer.ready) === undefined) return void this.findings.push(`does not start after a kill at ${at}`);
    using operator = new Operator(this.#adminSocket);
    const authorities = await operator.authorities();
    for (const kind of kinds) {
      const active = authorities.filter((one) => one.kind === kind && one.state === 'active');
      if (active.length !== 1) this.findings.push(`${active.length} active ${kind} authorities after a kill at ${at}`);
    }
    const { x509Authorities } = await operator.bundle();
    const roots = x509Authorities.map((der) => new X509Certificate(der).subject);
    for (const { id, kind } of authorities) {
      if (kind === 'x509' && !roots.some((subject) => subject.includes(id))) {
        this.findings.push(`${id} is not in the bundle after a kill at ${at}`);
      }
    }
    const verdict = await operator.verifyLedger();
    if (!verdict.ok) this.findings.push(`the ledger does not verify after a kill at ${at}: ${verdict.problem}`);
    issuer.signal('SIGTERM');
    await issuer.exited;
    this.#findOrphans(`started after a kill at ${at}`, 0);
  }

  #findOrphans(when: string, allowed: number): void {
    const orphans = strayKeys(this.#data, { planned: allowed === 0 });
    if (orphans.length > allowed) this.findings.push(`${orphans.length} unknown keys, ${when}`);
  }

  #start(traps: ConstructorParameters<typeof Issuer>[0]['traps'] & object): Issuer {
    const places = ['--data-dir', this.#data, '--socket', join(this.#directory, 'run', 'api.sock')];
    const flags = [
      '--trust-domain',
      trustDomain,
      ...places,
      '--admin-socket',
      this.#adminSocket,
      '--log-level',
      'error',
    ];
    return new Issuer({ flags, log: join(this.#directory, 'log'), traps });
  }

  get #data(): string {
    return join(this.#directory, 'data');
  }

  get #adminSocket(): string {
    return join(this.#directory, 'admin', 'admin.sock');
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { times: { type: 'string', default: '20' } } });
  const times = Number(values.times);
  const runs = [await killAtEveryStep(times), await killNested(times, { own: true })];
  for (const [point, count] of runs.flatMap(({ deaths }) => [...deaths])) print(`${point.padEnd(32)} ${count}`);
  const findings = runs.flatMap((run) => run.findings);
  for (const finding of findings) print(`!! ${finding}`);
  const counts = runs.flatMap(({ deaths }) => [...deaths.values()]);
  const sum = counts.reduce((total, count) => total + count, 0);
  print(`${sum} deaths at ${counts.length} steps of a rotation, ${findings.length} findings`);
  process.exitCode = findings.length === 0 ? 0 : 1;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
