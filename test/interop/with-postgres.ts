/** PostgreSQL logs a workload in by its certificate, with no password anywhere; the certificate changes under an open pool. */
import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, type ClientConfig, Pool, type PoolClient } from 'pg';
import { launcher, pause, run, until } from '../integration/fixture.ts';
import { check, holds, same } from './checks.ts';
import { PostgresServer } from './clouds/postgres-server.ts';
import { type Clouds, commonName, serverTls } from './clouds/stage.ts';

const rotationMs = 90_000;
const who =
  'select usename, client_dn, client_serial::text as serial from pg_stat_ssl join pg_stat_activity using (pid) where pid = pg_backend_pid()';

interface Who {
  readonly usename: string;
  readonly client_dn: string;
  readonly serial: string;
}

export async function postgres(clouds: Clouds): Promise<void> {
  let started: PostgresServer | undefined;
  await check('PostgreSQL starts, and takes certificates that lead to our root', async () => {
    started = await PostgresServer.start(clouds);
  });
  if (started === undefined) return;
  await using server = started;
  const files = { certificate: join(clouds.directory, 'pg.crt'), key: join(clouds.directory, 'pg.key') };
  using _projector = await projector(clouds, files);
  const config = configOf(clouds, server, files);
  await rotation(config, files);
  await refusals(clouds, server, config, files);
  await commandLine(clouds, server);
}

async function projector(clouds: Clouds, files: object): Promise<Disposable> {
  const file = join(clouds.directory, 'pg.yaml');
  writeFileSync(file, JSON.stringify({ certificates: [files] }));
  const child: ChildProcess = spawn(launcher, ['project', file], { env: { ...clouds.env }, stdio: 'ignore' });
  await until('the first certificate is there', () => existsSync(join(clouds.directory, 'pg.crt')));
  return { [Symbol.dispose]: () => void child.kill() };
}

/** The files are read for each connection, as a program does that outlives its certificates. */
const configOf = (
  clouds: Clouds,
  { port }: PostgresServer,
  files: { readonly certificate: string; readonly key: string },
): ClientConfig => ({
  ...{ host: 'localhost', port, user: commonName, database: 'postgres' },
  ssl: {
    ca: serverTls(clouds).ca,
    get cert() {
      return readFileSync(files.certificate);
    },
    get key() {
      return readFileSync(files.key);
    },
  },
});

async function rotation(
  config: ClientConfig,
  files: { readonly certificate: string; readonly key: string },
): Promise<void> {
  for (const [name, file] of Object.entries(files)) cpSync(file, `${files.certificate}.first.${name}`);
  const pool = new Pool({ ...config, max: 4, idleTimeoutMillis: 1 });
  const kept = await pool.connect();
  const first = await whoIs(kept);
  await check('PostgreSQL, pg: the user is the common name of the certificate', () => {
    same('user', [first.usename, first.client_dn], [commonName, `/CN=${commonName}`]);
  });
  await check(
    'PostgreSQL, pg: the projector changes the certificate under an open pool, and nothing fails',
    async () => {
      let [last, connections] = [first, 0];
      for (
        const late = performance.now() + rotationMs;
        last.serial === first.serial && performance.now() < late;
        await pause(50)
      ) {
        last = await asked(pool);
        connections++;
      }
      holds('there is another certificate', last.serial !== first.serial);
      holds('many connections were made meanwhile', connections > 10);
      same('who', [last.usename, last.client_dn], [commonName, `/CN=${commonName}`]);
      same('the connection that was open goes on', (await whoIs(kept)).serial, first.serial);
    },
  );
  kept.release();
  await pool.end();
}

async function asked(pool: Pool): Promise<Who> {
  const connection = await pool.connect();
  try {
    return await whoIs(connection);
  } finally {
    connection.release(true);
  }
}

const whoIs = async (connection: PoolClient): Promise<Who> => (await connection.query<Who>(who)).rows[0] as Who;

async function refusals(
  clouds: Clouds,
  server: PostgresServer,
  config: ClientConfig,
  files: { readonly certificate: string },
): Promise<void> {
  const refused = async (more: ClientConfig): Promise<string> => {
    const client = new Client({ ...config, ...more });
    client.on('error', () => undefined);
    const told = await client.connect().then(
      () => 'it was let in',
      (error: Error) => error.message,
    );
    await client.end().catch(() => undefined);
    return told;
  };
  await check('PostgreSQL, refused: no certificate', async () => {
    same('why', await refused({ ssl: { ca: serverTls(clouds).ca } }), 'connection requires a valid client certificate');
  });
  await check('PostgreSQL, refused: another user than the certificate names', async () => {
    same('why', await refused({ user: 'other' }), 'certificate authentication failed for user "other"');
  });
  await check('PostgreSQL, refused: the certificate before, once it has expired', async () => {
    const [cert, key] = ['certificate', 'key'].map((name) => readFileSync(`${files.certificate}.first.${name}`));
    const old = configOf(clouds, server, {
      certificate: `${files.certificate}.first.certificate`,
      key: `${files.certificate}.first.key`,
    });
    await until(
      'it has expired',
      async () => (await refused({ ...old, ssl: { ca: serverTls(clouds).ca, cert, key } })) !== 'it was let in',
      rotationMs,
    );
    holds('why', /expired|ECONNRESET|alert/.test(await refused(old)));
  });
}

async function commandLine(clouds: Clouds, { port }: PostgresServer): Promise<void> {
  await check('PostgreSQL, psql in mayfly env postgres: the variables are enough', async () => {
    const psql = ['psql', '-h', 'localhost', '-p', `${port}`, '-U', commonName, '-d', 'postgres', '-Atc', who];
    const words = ['env', 'postgres', '--postgres-ca', join(clouds.tls, 'ca.crt'), '--', ...psql];
    const { status, stdout, stderr } = await run(launcher, words, { env: clouds.env, cwd: clouds.directory });
    same('how it ended', { status, stderr }, { status: 0, stderr: '' });
    holds('who it is', stdout.startsWith(`${commonName}|/CN=${commonName}|`));
  });
}
