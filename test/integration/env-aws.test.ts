/** `mayfly env aws --aws-via endpoint`: a program with AWS's own SDK has a session of ours by two variables, while it runs. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { StrictSts } from '../fakes/sts.ts';
import { anchors, deploy, issuer, role, startAccount } from './aws.ts';
import { launcher, type Mayfly, type Outcome, run, startMayfly } from './fixture.ts';

const runtime = mkdtempSync(join(tmpdir(), 'env-aws-'));
let mayfly: Mayfly;
let sts: StrictSts;

beforeAll(async () => {
  mayfly = await startMayfly({ flags: ['--issuer', issuer] });
  await mayfly.operator.create({ ...deploy, audiences: [...deploy.audiences, 'databricks'] });
  sts = await startAccount(mayfly);
});
afterAll(async () => {
  await sts[Symbol.asyncDispose]();
  await mayfly[Symbol.asyncDispose]();
  rmSync(runtime, { recursive: true });
});

/** The SDK's own chain, twice: what it has, and how the file with the word looks. */
const program = `
  const { S3Client } = await import('@aws-sdk/client-s3');
  const { statSync } = await import('node:fs');
  const keys = async () => (await new S3Client({ region: 'eu-central-1' }).config.credentials()).accessKeyId;
  const { env } = process;
  const others = Object.keys(env).filter((name) => /^(AWS_WEB|AWS_ROLE|AWS_ACCESS|AWS_PROFILE)/.test(name));
  const { mode } = statSync(env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE);
  const [url, file] = [env.AWS_CONTAINER_CREDENTIALS_FULL_URI, env.DATABRICKS_OIDC_TOKEN_FILEPATH];
  console.log(JSON.stringify({ keys: [await keys(), await keys()], mode: mode & 0o777, others, url, file }));`;

const surroundings = () => ({
  ...{ PATH: process.env['PATH'], HOME: '/nonexistent', XDG_RUNTIME_DIR: runtime, AWS_EC2_METADATA_DISABLED: 'true' },
  ...{ SPIFFE_ENDPOINT_SOCKET: mayfly.endpoint, AWS_ENDPOINT_URL_STS: sts.endpoint, AWS_ROLE_ARN: role },
  ...{ AWS_ENDPOINT_URL_ROLESANYWHERE: sts.endpoint, AWS_ACCESS_KEY_ID: 'static', AWS_SECRET_ACCESS_KEY: 'static' },
});
const within = (targets: readonly string[], env = {}): Promise<Outcome> =>
  run(launcher, ['env', ...targets, '--', process.execPath, '--input-type=module', '-e', program], {
    env: { ...surroundings(), ...env },
  });
const left = (): string[] => readdirSync(join(runtime, 'mayfly')).filter((name) => name.startsWith('env-'));
const refused = (url: string): Promise<unknown> =>
  new Promise((resolve) => http.get(url, () => resolve('answered')).on('error', resolve));

it('feeds an unmodified SDK from one session that is on record, and nothing is left when it ends', async () => {
  const asked = sts.asked.length;
  const { status, stdout, stderr } = await within(['aws', '--aws-via', 'endpoint', '--aws-session-name', 'job']);
  expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringMatching(/^warning: this session ends .*\n$/) });
  const { keys, mode, others, url } = JSON.parse(stdout);
  expect(keys[0]).toMatch(/^ASIA/);
  expect({ same: keys[0] === keys[1], asked: sts.asked.length - asked }).toEqual({ same: true, asked: 1 });
  expect({ mode, others }).toEqual({ mode: 0o600, others: [] });
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\//);
  expect(await refused(url)).toMatchObject({ code: 'ECONNREFUSED' });
  expect(left()).toEqual([]);
  expect(sts.asked.at(-1)?.form.get('RoleSessionName')).toMatch(/^job-[0-9a-f-]{36}$/);
  const { json = '{}' } = (await mayfly.operator.records()).findLast(({ kind }) => kind === 'exchange.obtained') ?? {};
  expect(JSON.parse(json)).toMatchObject({ spiffeId: deploy.spiffeId, stated: { role, credential: keys[0] } });
});

it('by certificate, through Roles Anywhere, beside another target', async () => {
  const certified = ['--aws-trust-anchor-arn', anchors.trustAnchor, '--aws-profile-arn', anchors.profile];
  const databricks = ['--databricks-host', 'https://d.example', '--databricks-client-id', 'c'];
  const words = ['aws', 'databricks', '--aws-via', 'endpoint', '--aws-region', 'eu-central-1', ...certified];
  const { status, stdout } = await within([...words, ...databricks, '--databricks-audience', 'databricks']);
  expect(status).toBe(0);
  const { keys, file } = JSON.parse(stdout);
  expect(keys[0]).toMatch(/^ASIA/);
  expect(file).toMatch(/databricks\.token$/);
  expect(sts.asked.at(-1)?.path).toMatch(/^\/sessions/);
});

it.each([
  [['--aws-role-arn', `${role}2`], 3, 'AccessDenied'],
  [['--aws-via', 'imds'], 2, "'imds' is not a way to AWS: token-file, endpoint"],
  [['--aws-profile-arn', anchors.profile], 2, 'roles-anywhere needs --trust-anchor-arn and --profile-arn'],
])('does not start the program with %j', async (words, code, message) => {
  const { status, stdout, stderr } = await within(['aws', '--aws-via', 'endpoint', ...words]);
  expect({ status, stdout, stderr }).toEqual({ status: code, stdout: '', stderr: expect.stringContaining(message) });
  expect(left()).toEqual([]);
});
