/**
 * A whole object store in one directory: monitor, one storage daemon in memory, and the gateway with its STS, all of Debian's
 * own packages and started by hand. The gateway runs in a mount namespace of its own, in which the system's certificate store
 * has one more authority: that of the issuer under test.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../bench/free-port.ts';
import { type Outcome, pause, run } from '../../integration/fixture.ts';
import { configuration, type Ports } from './configuration.ts';

const systemStore = '/etc/ssl/certs/ca-certificates.crt';
const patienceMs = 120_000;

export class CephCluster implements AsyncDisposable {
  readonly directory: string;
  readonly endpoint: string;
  readonly operator = { accessKey: word(10), secretKey: word(20) };
  readonly #daemons: { readonly name: string; readonly process: ChildProcess }[] = [];

  private constructor(directory: string, ports: Ports) {
    this.directory = directory;
    this.endpoint = `http://localhost:${ports.gateway}`;
  }

  /** @param caFile whom the gateway believes besides, where it fetches discovery and keys */
  static async start(caFile: string): Promise<CephCluster> {
    const directory = mkdtempSync(join(tmpdir(), 'mayfly-ceph-'));
    const [v2, v1, gateway] = [await freePort(), await freePort(), await freePort()];
    const cluster = new CephCluster(directory, { v2, v1, gateway });
    try {
      await cluster.#start({ v2, v1, gateway }, caFile);
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #start(ports: Ports, caFile: string): Promise<void> {
    const fsid = randomUUID();
    for (const name of ['mon', 'osd', 'rgw']) mkdirSync(join(this.directory, name));
    writeFileSync(join(this.directory, 'keyring'), '');
    writeFileSync(this.#file('ceph.conf'), configuration(this.directory, fsid, ports));
    await this.#monitor(fsid, ports);
    await this.#storage();
    await this.#gateway(caFile);
    const { accessKey, secretKey } = this.operator;
    await this.admin(
      'user',
      'create',
      '--uid=operator',
      '--display-name=operator',
      `--access-key=${accessKey}`,
      `--secret=${secretKey}`,
      '--caps=roles=*;oidc-provider=*',
    );
  }

  async #monitor(fsid: string, { v2, v1 }: Ports): Promise<void> {
    const map = this.#file('monmap');
    await done('monmaptool', [
      '--create',
      '--fsid',
      fsid,
      '--addv',
      'a',
      `[v2:127.0.0.1:${v2},v1:127.0.0.1:${v1}]`,
      map,
    ]);
    await this.#done('ceph-mon', '--mkfs', '-i', 'a', '--monmap', map, '--keyring', this.#file('keyring'));
    this.#spawn('ceph-mon', 'ceph-mon', ['-i', 'a', '-f']);
    await this.#until('the monitor answers', async () => (await this.#run('ceph', 'mon', 'stat')).status === 0);
  }

  async #storage(): Promise<void> {
    const uuid = randomUUID();
    await this.#done('ceph', 'osd', 'new', uuid);
    await this.#done('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', uuid);
    await this.#done('ceph', 'osd', 'crush', 'add', 'osd.0', '1.0', 'root=default', 'host=local');
    this.#spawn('ceph-osd', 'ceph-osd', ['-i', '0', '-f']);
    await this.#until('the storage is up', async () => /1 up/.test((await this.#run('ceph', 'osd', 'stat')).stdout));
  }

  async #gateway(caFile: string): Promise<void> {
    const store = this.#file('certificates.crt');
    writeFileSync(store, `${readFileSync(systemStore, 'utf8')}\n${readFileSync(caFile, 'utf8')}`);
    const gateway = `mount --bind ${store} ${systemStore} && exec radosgw -c ${this.#file('ceph.conf')} -n client.admin --no-mon-config --debug-rgw=20 -f`;
    this.#spawn('radosgw', 'unshare', ['--mount', '--propagation', 'private', 'sh', '-c', gateway], false);
    const answers = (): Promise<boolean> =>
      fetch(this.endpoint).then(
        () => true,
        () => false,
      );
    await this.#until('the gateway answers', answers);
  }

  /** For CEPH_ARGS. */
  get asAdministrator(): string {
    return `-c ${this.#file('ceph.conf')} -n client.admin --no-mon-config`;
  }

  admin(...args: string[]): Promise<string> {
    return this.#done('radosgw-admin', '-n', 'client.admin', '--no-mon-config', ...args);
  }

  /** What the gateway thought of it, for whoever looks into a refusal. */
  log(): string {
    return readFileSync(this.#file('ceph.log'), 'utf8');
  }

  /** Each after the one that it needs, or it waits for that. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const { process } of this.#daemons.reverse()) {
      if (process.exitCode !== null || process.signalCode !== null) continue;
      const gone = new Promise((resolve) => process.once('exit', resolve));
      process.kill('SIGTERM');
      const late = setTimeout(() => process.kill('SIGKILL'), 10_000);
      await gone;
      clearTimeout(late);
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  #file(name: string): string {
    return join(this.directory, name);
  }

  #spawn(name: string, program: string, args: readonly string[], configured = true): void {
    const all = configured ? ['-c', this.#file('ceph.conf'), ...args] : args;
    const process = spawn(program, all, { stdio: 'ignore' });
    process.on('error', () => undefined);
    this.#daemons.push({ name, process });
  }

  #run(program: string, ...args: string[]): Promise<Outcome> {
    return run(program, ['-c', this.#file('ceph.conf'), ...args]);
  }

  #done(program: string, ...args: string[]): Promise<string> {
    return done(program, ['-c', this.#file('ceph.conf'), ...args]);
  }

  async #until(what: string, met: () => Promise<boolean>): Promise<void> {
    for (const late = performance.now() + patienceMs; performance.now() < late; await pause(100)) {
      const ended = this.#daemons.find(({ process }) => process.exitCode !== null);
      if (ended !== undefined) throw new Error(`${ended.name} ended with ${ended.process.exitCode}`);
      if (await met()) return;
    }
    throw new Error(`${what}: not within ${patienceMs / 1_000} s`);
  }
}

async function done(program: string, args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await run(program, args);
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr.trim()}`);
  return stdout;
}

function word(bytes: number): string {
  return randomBytes(bytes).toString('hex').toUpperCase();
}
