/** A PostgreSQL of Debian's that takes certificates of our trust domain and nothing else, in a directory of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, chownSync, cpSync, globSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../bench/free-port.ts';
import { run, until } from '../../integration/fixture.ts';
import { type Clouds, commonName, said } from './stage.ts';

export class PostgresServer implements AsyncDisposable {
  readonly port: number;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, port: number) {
    this.#process = process;
    this.port = port;
  }

  static async start(clouds: Clouds): Promise<PostgresServer> {
    const [bin] = globSync('/usr/lib/postgresql/*/bin').sort().reverse();
    if (bin === undefined) throw new Error('postgres is missing: apt-get install postgresql');
    const user = await userIds();
    const home = join(clouds.directory, 'postgres');
    mkdirSync(home);
    chownSync(home, user.uid, user.gid);
    const data = join(home, 'data');
    const as = { ...user, cwd: home, env: { PATH: process.env['PATH'], LC_ALL: 'C' } };
    await successful(join(bin, 'initdb'), ['-D', data, '-U', 'admin', '--auth=trust', '--no-sync'], as);
    await configure(clouds, data, user);
    const port = await freePort();
    const words = ['-D', data, '-k', home, '-p', `${port}`, '-c', 'listen_addresses=127.0.0.1'];
    const server = new PostgresServer(spawn(join(bin, 'postgres'), words, { ...as, stdio: 'ignore' }), port);
    const admin = ['-h', home, '-p', `${port}`, '-U', 'admin', '-d', 'postgres'];
    const ready = async (): Promise<boolean> => (await run(join(bin, 'pg_isready'), admin.slice(0, 4))).status === 0;
    await until('PostgreSQL is ready', ready, 60_000);
    await successful(
      join(bin, 'psql'),
      [...admin, '-c', `create role ${commonName} login`, '-c', 'create role other login'],
      as,
    );
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGINT');
    await ended;
  }
}

type User = { readonly uid: number; readonly gid: number };

/** It will not run as root. */
async function userIds(): Promise<User> {
  const id = async (flag: string): Promise<number> => Number(await successful('id', [flag, 'postgres'], {}));
  return { uid: await id('-u'), gid: await id('-g') };
}

async function configure(clouds: Clouds, data: string, { uid, gid }: User): Promise<void> {
  const files: Readonly<Record<string, string>> = {
    'tls.crt': join(clouds.tls, 'tls.crt'),
    'tls.key': join(clouds.tls, 'tls.key'),
  };
  for (const [name, from] of Object.entries(files)) cpSync(from, join(data, name));
  writeFileSync(join(data, 'clients.crt'), await said(clouds, 'bundle', 'show'));
  const settings =
    "ssl = on\nssl_cert_file = 'tls.crt'\nssl_key_file = 'tls.key'\nssl_ca_file = 'clients.crt'\nfsync = off\n";
  writeFileSync(join(data, 'postgresql.auto.conf'), settings);
  writeFileSync(join(data, 'pg_hba.conf'), 'local all admin trust\nhostssl all all 127.0.0.1/32 cert clientname=CN\n');
  for (const name of ['tls.crt', 'tls.key', 'clients.crt', 'pg_hba.conf', 'postgresql.auto.conf']) {
    chownSync(join(data, name), uid, gid);
    chmodSync(join(data, name), 0o600);
  }
}

async function successful(program: string, words: readonly string[], options: object): Promise<string> {
  const { status, stdout, stderr } = await run(program, words, options);
  if (status !== 0) throw new Error(`${program}: ${stderr.trim()}`);
  return stdout.trim();
}
