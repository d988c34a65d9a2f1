/** One issuer's world: its data, its workloads, its operator and everything that was written down about it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Broken } from './broken.ts';
import { Chance } from './chance.ts';
import { type Disk, plainDisk } from './disk.ts';
import { History } from './history.ts';
import { type Ending, Issuer } from './issuer.ts';
import { Latest } from './latest.ts';
import type { Invariant } from './matrix.ts';
import { Operator } from './operator.ts';
import {
  addressOf,
  fakeClock,
  type Lives,
  loadPerProcessor,
  type StartOptions,
  settingsOf,
  shortLives,
} from './surroundings.ts';
import { Watcher } from './watcher.ts';
import { within } from './within.ts';

export interface SceneOptions {
  readonly directory: string;
  readonly seed: number;
  /** Nobody else may use these users. */
  readonly uids: readonly number[];
  readonly disk?: (path: string) => Promise<Disk> | Disk;
  readonly lives?: Lives;
  /** Nobody asks for anything. */
  readonly deserted?: boolean;
}

/** Longer than it may take: others run on this machine, and how long it took by itself is judged later. */
const startMs = 60_000;
const workloadProgram = fileURLToPath(new URL('workload.ts', import.meta.url));

export class Scene {
  readonly directory: string;
  readonly chance: Chance;
  readonly history: History;
  readonly operator: Operator;
  readonly watcher: Watcher;
  /** Of health and metrics. */
  readonly address: string;
  readonly #options: SceneOptions;
  readonly disk: Disk;
  readonly #workloads: ChildProcess[] = [];
  readonly #latest = new Map<number, Latest>();
  #issuer: Issuer | undefined;
  #aheadMs = 0;

  private constructor(options: SceneOptions, disk: Disk) {
    this.#options = options;
    this.disk = disk;
    this.directory = options.directory;
    this.chance = new Chance(options.seed);
    this.history = new History(join(this.directory, 'history.ndjson'));
    this.operator = new Operator({
      history: this.history,
      chance: this.chance.fork(),
      uids: options.uids,
      archive: join(disk.path, 'archive'),
      now: () => Date.now() + this.#aheadMs,
      held: (uid) => (options.deserted ? [] : this.held(uid)),
    });
    this.address = addressOf(options.uids[0] ?? 0);
    this.watcher = new Watcher(this.history, this.address, () => this.#pids());
  }

  static async open(options: SceneOptions): Promise<Scene> {
    const { directory, disk = plainDisk } = options;
    mkdirSync(directory, { mode: 0o755 });
    mkdirSync(join(directory, 'run'), { mode: 0o755 });
    for (const name of ['admin', 'captures', 'cwd']) mkdirSync(join(directory, name), { mode: 0o700 });
    writeFileSync(join(directory, 'settings.yaml'), settingsOf(options.lives ?? shortLives));
    const scene = new Scene(options, await disk(join(directory, 'disk')));
    if (!options.deserted) for (const uid of options.uids) scene.#workloads.push(scene.startWorkload(uid));
    return scene;
  }

  get socket(): string {
    return join(this.directory, 'run', 'api.sock');
  }
  get adminSocket(): string {
    return join(this.directory, 'admin', 'admin.sock');
  }
  get data(): string {
    return join(this.disk.path, 'data');
  }
  /** How far the data directory had come, as mayfly keeps it elsewhere. Without it, an old copy is a matter of course. */
  forgetHowFarItWas(): void {
    rmSync(`${this.adminSocket}.seen`, { force: true });
  }
  get log(): string {
    return join(this.directory, 'log.ndjson');
  }
  get uids(): readonly number[] {
    return this.#options.uids;
  }
  get aheadMs(): number {
    return this.#aheadMs;
  }

  get issuer(): Issuer {
    if (this.#issuer === undefined) throw new Error('the issuer was never started');
    return this.#issuer;
  }
  get alive(): boolean {
    return this.#issuer !== undefined && !this.#issuer.ended;
  }

  startWorkload(uid: number): ChildProcess {
    const captures = openSync(join(this.directory, 'captures', `${uid}.ndjson`), 'a', 0o600);
    return spawn(process.execPath, [workloadProgram, this.socket, String(uid)], {
      stdio: ['ignore', captures, 'inherit', 'ipc'],
    });
  }

  /**
   * Starts the issuer and looks at all it holds.
   * @returns false where a trap ended it before it served, or while it was looked at
   */
  async start({
    traps = [],
    env = {},
    prefix = [],
    aheadMs = this.#aheadMs,
    mayEnd = false,
    strangers = false,
  }: StartOptions = {}): Promise<boolean> {
    if (this.alive) throw new Error('it runs already');
    this.#aheadMs = aheadMs;
    this.history.write({ t: 'start', aheadMs });
    const clock = aheadMs === 0 ? {} : fakeClock(`+${aheadMs / 1000}s`);
    const options = { flags: this.flags, log: this.log, cwd: join(this.directory, 'cwd'), traps, prefix };
    this.#issuer = new Issuer({ ...options, env: { ...clock, ...env } });
    const { issuer } = this;
    const tookMs = await within(startMs, issuer.ready, () => this.complain('it did not start in time'));
    if (tookMs === undefined) return this.#diedEarly(mayEnd);
    this.history.write({ t: 'ready', tookMs, waitedMs: issuer.waitedMs, load: loadPerProcessor() });
    this.operator.connect(this.adminSocket);
    try {
      await this.operator.look(!strangers);
      if (!strangers) await this.operator.furnish();
      this.watcher.writeResources(issuer.pid);
      return true;
    } catch (error) {
      if (mayEnd && !issuer.ended) return true;
      await within(20_000, issuer.exited, () => this.complain(`it serves and does not answer: ${String(error)}`));
      return this.#diedEarly(mayEnd);
    }
  }

  /** Writes down how the issuer ended. */
  async ended(withinMs = 60_000): Promise<Ending> {
    const ending = await within(withinMs, this.issuer.exited, () => this.complain('it does not end'));
    this.history.write({ t: 'end', ...ending });
    this.operator.disconnect();
    return ending;
  }

  /** kill -9, at whatever it is doing. */
  async kill(): Promise<void> {
    this.issuer.signal('SIGKILL');
    await this.ended();
  }

  /** In order: 0 is what it must end with. */
  async stop(): Promise<void> {
    this.issuer.signal('SIGTERM');
    const { code, signal } = await this.ended();
    if (code !== 0) this.complain(`after SIGTERM it ended with ${code ?? signal}`);
  }

  /** The clock of the issuer was set, by whatever means. */
  clockSet(aheadMs: number): void {
    this.#aheadMs = aheadMs;
    this.history.write({ t: 'clock', aheadMs });
  }

  async close(): Promise<void> {
    if (this.alive) await this.kill();
    this.operator.disconnect();
    this.watcher.close();
    for (const workload of this.#workloads) workload.kill('SIGKILL');
    this.history.close();
    await this.disk.close();
  }

  async #diedEarly(mayEnd: boolean): Promise<boolean> {
    const { code, signal } = await this.ended();
    if (!mayEnd && this.issuer.hits.length === 0)
      this.complain(`it ended with ${code ?? signal} and nobody had touched it`);
    return false;
  }

  /** Of the last SVIDs that a workload of that user was given, the one of its first entry. */
  lastSvid(uid: number): string | undefined {
    return this.#latestOf(uid).svids[0]?.chain;
  }

  /** The names in what a workload of that user holds. */
  lastIds(uid: number): readonly string[] {
    return this.#latestOf(uid).svids.map(({ id }) => id);
  }

  get logLength(): number {
    return existsSync(this.log) ? statSync(this.log).size : 0;
  }

  /** What it said since its log was so long. */
  logSince(length: number): string {
    return readFileSync(this.log).subarray(length).toString();
  }

  /** With what it said last. */
  complain(what: string, invariant?: Invariant): never {
    const lines = readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-4).join('\n');
    throw new Broken(`${what}; its log ends:\n${lines}`, invariant);
  }

  /** Of `mayfly up`. */
  get flags(): string[] {
    const where = ['--data-dir', this.data, '--socket', this.socket, '--admin-socket', this.adminSocket];
    const settings = ['--config', join(this.directory, 'settings.yaml')];
    return ['--trust-domain', 'example.org', ...settings, ...where, '--http', this.address];
  }

  /** Serial numbers, and the `jti` of its last token. */
  held(uid: number): readonly string[] {
    return this.#latestOf(uid).names;
  }

  #latestOf(uid: number): Latest {
    const latest = this.#latest.get(uid) ?? new Latest(join(this.directory, 'captures', `${uid}.ndjson`));
    this.#latest.set(uid, latest);
    return latest;
  }

  #pids(): number[] {
    return [this.#issuer, ...this.#workloads].flatMap((one) => one?.pid ?? []);
  }
}
