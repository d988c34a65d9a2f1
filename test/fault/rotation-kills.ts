/**
 * kill -9 at every step in the life of an authority, while an operator replaces, taints and revokes as fast as can be:
 * after each start there is one of each kind that signs, nothing was signed by one that was not published, and no key is
 * left that nobody knows of.
 *
 *   node test/fault/rotation-kills.ts [--times 20]
 */
import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { diskJournal, Journal } from '../../src/authority/journal.ts';
import type { Failpoint } from '../../src/runtime/failpoint.ts';
import { TrustDomain } from '../../src/spiffe/id.ts';
import { Operator } from '../integration/admin.ts';
import { Issuer } from './issuer.ts';
import { orderPoints, rotationPoints } from './points.ts';

export interface Kills {
  /** Deaths at each step. */
  readonly deaths: ReadonlyMap<Failpoint, number>;
  readonly findings: readonly string[];
}

const trustDomain = TrustDomain.parse('example.org');
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
    for (const kind of ['x509', 'jwt']) {
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

  /** Keys of no authority. One that was planned is noted before it is made, and is the next authority's: never a second. */
  #findOrphans(when: string, allowed: number): void {
    const { authorities, planned } = Journal.open(
      diskJournal(join(this.#data, 'authorities.json')),
      trustDomain,
    ).content;
    const owners = allowed === 0 ? [...authorities, ...planned] : authorities;
    const known = new Set(owners.map(({ kind, id }) => `${kind}-${id}.pem`));
    const orphans = readdirSync(join(this.#data, 'keys')).filter(
      (name) => name.endsWith('.pem') && /^(x509|jwt)-/.test(name) && !known.has(name),
    );
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

/** Every step there is: another is prepared, signs, the one before is tainted, revoked, its key deleted. */
async function replaceBoth(operator: Operator): Promise<void> {
  for (const kind of ['x509', 'jwt']) {
    const signer = (await operator.authorities()).find((one) => one.kind === kind && one.state === 'active');
    await operator.order({ verb: 'revoke', kind, id: signer?.id ?? '', force: ['active', 'unpublished', 'unexpired'] });
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { times: { type: 'string', default: '20' } } });
  const { deaths, findings } = await killAtEveryStep(Number(values.times));
  for (const [point, count] of deaths) process.stdout.write(`${point.padEnd(32)} ${count}\n`);
  for (const finding of findings) process.stdout.write(`!! ${finding}\n`);
  const sum = [...deaths.values()].reduce((total, count) => total + count, 0);
  process.stdout.write(`${sum} deaths at ${deaths.size} steps of a rotation, ${findings.length} findings\n`);
  process.exitCode = findings.length === 0 ? 0 : 1;
}
