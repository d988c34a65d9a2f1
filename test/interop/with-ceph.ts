/**
 * Ceph's gateway as the cloud: its own STS judges our tokens by our discovery and keys over TLS, and its own S3 takes what it
 * gave. The clients are AWS's, unmodified, each fed in the three ways that a program without code of its own can be.
 */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { launcher, run } from '../integration/fixture.ts';
import { stepsOf, takeTour } from '../integration/tour.ts';
import { type Account, audience, identity, role, startAccount } from './ceph/account.ts';
import { forgeBeside } from './ceph/forge.ts';
import { check, holds, same } from './checks.ts';
import { awsCli, buildAwsCli } from './tools.ts';

const putAndGet = fileURLToPath(new URL('ceph/put-and-get.ts', import.meta.url));

type Environment = Readonly<Record<string, string>>;

/** The three ways, each as the environment that it is, and what keeps it. */
interface Way extends AsyncDisposable {
  readonly env: Environment;
}

export async function ceph(): Promise<void> {
  await check('AWS’s command line is installed', buildAwsCli);
  let account: Account | undefined;
  await check('Ceph: monitor, storage and gateway start; it is told of our issuer and of a role', async () => {
    account = await startAccount();
  });
  if (account === undefined) return;
  await using scene = account;
  await delivery(scene);
  await verdicts(scene);
  await rotation(scene);
  await check('docs/federate/ceph.md says what happens when its commands are typed', () => page(scene));
}

/** As an administrator of the gateway sees it. */
async function page({ cluster, tls }: Account): Promise<void> {
  const steps = stepsOf(readFileSync(fileURLToPath(new URL('../../docs/federate/ceph.md', import.meta.url)), 'utf8'));
  holds('it has commands', steps.length > 4);
  await takeTour(steps, {
    ...{ RGW: cluster.endpoint, TLS: tls, CEPH_ARGS: cluster.asAdministrator, AWS_EC2_METADATA_DISABLED: 'true' },
    ...{ AWS_ACCESS_KEY_ID: cluster.operator.accessKey, AWS_SECRET_ACCESS_KEY: cluster.operator.secretKey },
    ...{ AWS_DEFAULT_REGION: 'us-east-1', PATH: `${dirname(awsCli)}:${process.env['PATH']}` },
  });
}

async function delivery(account: Account): Promise<void> {
  for (const [name, open] of Object.entries(ways)) {
    await using way = await open(account);
    const env = environmentOf(account, way.env);
    await check(`Ceph, AWS SDK for JavaScript, ${name}: puts an object and gets it`, async () => {
      const { status, stdout, stderr } = await run(process.execPath, [putAndGet, `js-${name}`, 'a/b.txt'], { env });
      if (status !== 0) throw new Error(stderr.trim());
      holds('it read what it wrote', stdout.includes('written by process'));
    });
    await check(`Ceph, AWS CLI, ${name}: puts an object and gets it`, () => commandLine(env, `cli-${name}`));
  }
}

async function commandLine(env: Environment, bucket: string): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'mayfly-s3-'));
  const file = join(directory, 'file');
  writeFileSync(file, 'by the command line');
  const aws = async (...words: string[]): Promise<string> => {
    const { status, stdout, stderr } = await run(awsCli, words, { env });
    if (status !== 0) throw new Error(`aws ${words.join(' ')}: ${stderr.trim()}`);
    return stdout;
  };
  try {
    await aws('s3', 'mb', `s3://${bucket}`);
    await aws('s3', 'cp', file, `s3://${bucket}/file`);
    same('what came back', await aws('s3', 'cp', `s3://${bucket}/file`, '-'), 'by the command line');
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const ways: Readonly<Record<string, (account: Account) => Promise<Way>>> = {
  'token-file': async ({ mayfly }) => {
    const directory = mkdtempSync(join(tmpdir(), 'mayfly-token-'));
    const file = join(directory, 'token');
    const written = await mayfly.command('token', '--audience', audience, '--spiffe-id', identity, '--out', file);
    if (written.status !== 0) throw new Error(written.stderr.trim());
    const env = { AWS_WEB_IDENTITY_TOKEN_FILE: file, AWS_ROLE_ARN: role, AWS_ROLE_SESSION_NAME: 'token-file' };
    return { env, [Symbol.asyncDispose]: async () => rmSync(directory, { recursive: true }) };
  },

  'credential-process': async ({ cluster }) => {
    const directory = mkdtempSync(join(tmpdir(), 'mayfly-profile-'));
    const file = join(directory, 'config');
    const command = `${launcher} credentials aws --role-arn ${role} --spiffe-id ${identity} --sts-endpoint ${cluster.endpoint}/`;
    writeFileSync(file, `[profile ceph]\ncredential_process = ${command}\ns3 =\n  addressing_style = path\n`);
    const env = { AWS_CONFIG_FILE: file, AWS_PROFILE: 'ceph' };
    return { env, [Symbol.asyncDispose]: async () => rmSync(directory, { recursive: true }) };
  },

  'container-endpoint': async (account) => {
    const directory = mkdtempSync(join(tmpdir(), 'mayfly-serve-'));
    chmodSync(directory, 0o700);
    const where = ['--role-arn', role, '--spiffe-id', identity, '--sts-endpoint', `${account.cluster.endpoint}/`];
    const words = ['credentials', 'serve', 'aws', ...where, '--token-file', join(directory, 'word'), '--json'];
    const env = { ...process.env, SPIFFE_ENDPOINT_SOCKET: account.mayfly.endpoint };
    const child = spawn(launcher, words, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = new Promise((resolve) => child.once('exit', resolve));
    const line = new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout }).once('line', resolve);
      void exited.then((code) => reject(new Error(`it ended with ${code}`)));
    });
    return {
      env: JSON.parse(await line) as Environment,
      [Symbol.asyncDispose]: async () => {
        child.kill('SIGTERM');
        await exited;
        rmSync(directory, { recursive: true });
      },
    };
  },
};

/** Nothing of ours but the way, and where the cloud is. */
function environmentOf({ cluster, mayfly, tls }: Account, way: Environment): Environment {
  const config = join(tls, 'path-style');
  writeFileSync(config, '[default]\ns3 =\n  addressing_style = path\n');
  return {
    ...{ PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', AWS_REGION: 'us-east-1', AWS_CONFIG_FILE: config },
    ...{ AWS_ENDPOINT_URL: cluster.endpoint, AWS_EC2_METADATA_DISABLED: 'true' },
    SPIFFE_ENDPOINT_SOCKET: mayfly.endpoint,
    ...way,
  };
}

async function tokenOf({ mayfly }: Account): Promise<string> {
  const { status, stdout, stderr } = await mayfly.command('token', '--audience', audience, '--spiffe-id', identity);
  if (status !== 0) throw new Error(stderr.trim());
  return stdout.trim();
}

/** The gateway's STS, asked by hand; its answer's status. */
async function ask({ cluster }: Account, token: string): Promise<number> {
  const form = {
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: role,
    RoleSessionName: 'by-hand',
  };
  const body = new URLSearchParams({ ...form, WebIdentityToken: token });
  return (await fetch(cluster.endpoint, { method: 'POST', body })).status;
}

async function verdicts(account: Account): Promise<void> {
  const { as, refused } = forgeBeside(await tokenOf(account), account.mayfly.dataDirectory);
  await check(
    'Ceph takes a token that was signed anew like ours: what follows is refused for what it says',
    async () => {
      same('status', await ask(account, await as({})), 200);
    },
  );
  for (const { what, token } of await refused) {
    await check(`Ceph refuses ${what}`, async () => same('status', await ask(account, token), 403));
  }
}

async function rotation(account: Account): Promise<void> {
  const { mayfly, issuer } = account;
  await check('Ceph takes what the next key signs, as soon as it signs, and no client is told', async () => {
    const before = await tokenOf(account);
    const rotated = await mayfly.command('authority', 'rotate', 'jwt', '--force-unpublished');
    if (rotated.status !== 0) throw new Error(rotated.stderr.trim());
    const after = await tokenOf(account);
    holds('another key signs', kidOf(after) !== kidOf(before));
    same('status', await ask(account, after), 200);
  });
  await check('the same keys, with their certificates, are taken by a strict JOSE library', async () => {
    const keys = (await (await mayfly.command('oidc', 'show', '--json')).stdout) as string;
    const { documents } = JSON.parse(keys) as { documents: { path: string; content: JSONWebKeySet }[] };
    const set = documents.find(({ path }) => path === '/keys')?.content ?? { keys: [] };
    holds(
      'they carry certificates',
      set.keys.every(({ x5c }) => x5c?.length === 1),
    );
    await jwtVerify(await tokenOf(account), createLocalJWKSet(set), { issuer, audience });
  });
}

const kidOf = (token: string): unknown =>
  (JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { kid: unknown }).kid;
