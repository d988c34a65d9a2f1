/** From a process to a session at AWS, with nothing secret kept anywhere: the command, the record, and what can go wrong. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorReply, type StrictSts } from '../fakes/sts.ts';
import { anchors, audience, deploy, issuer, role, serveAws, startAccount } from './aws.ts';
import { first, type Mayfly, type Outcome, run, startMayfly, until } from './fixture.ts';

let mayfly: Mayfly;
let sts: StrictSts;

beforeAll(async () => {
  mayfly = await startMayfly({ flags: ['--x509-ttl', '10m', '--issuer', issuer] });
  await mayfly.operator.create(deploy);
  sts = await startAccount(mayfly);
});
afterAll(async () => {
  await sts[Symbol.asyncDispose]();
  await mayfly[Symbol.asyncDispose]();
});

const credentials = (...more: string[]): Promise<Outcome> =>
  mayfly.command('credentials', 'aws', '--role-arn', role, '--sts-endpoint', sts.endpoint, ...more);
const byCertificate = [
  '--via',
  'roles-anywhere',
  '--trust-anchor-arn',
  anchors.trustAnchor,
  '--profile-arn',
  anchors.profile,
];

const exchanges = async (): Promise<Record<string, unknown>[]> =>
  (await mayfly.operator.records())
    .filter(({ kind }) => kind.startsWith('exchange.'))
    .map(({ json }) => JSON.parse(json) as Record<string, unknown>);

describe.each([
  ['a JWT-SVID', [], 'aws-web-identity', () => String(sts.asked.at(-1)?.form.get('RoleSessionName')), 'jti'],
  [
    'an X.509-SVID',
    byCertificate,
    'aws-roles-anywhere',
    () => String(JSON.parse(sts.asked.at(-1)?.body ?? '').roleSessionName),
    'serial',
  ],
])('mayfly credentials aws, for %s', (_, flags, target, sessionName, proof) => {
  it('prints what credential_process wants, and says on stderr what outlives what', async () => {
    const { status, stdout, stderr } = await credentials(...flags);
    expect({ status, stderr }).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/^warning: this session ends .* after the SVID/),
    });
    expect(JSON.parse(stdout)).toEqual({
      Version: 1,
      AccessKeyId: expect.stringMatching(/^ASIA/),
      SecretAccessKey: expect.any(String),
      SessionToken: expect.any(String),
      Expiration: expect.stringMatching(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      AccountId: '123456789012',
    });
  });

  it('has both ends on record, and the session’s name leads back to them', async () => {
    const { stdout } = await credentials(...flags, '--session-name', 'build', '--duration', '15m');
    const { SecretAccessKey, SessionToken, AccessKeyId } = JSON.parse(stdout) as Record<string, string>;
    const [, exchange = ''] = /^build-([0-9a-f-]{36})$/.exec(sessionName()) ?? [];
    const [begun, obtained] = (await exchanges()).filter((record) => record['exchange'] === exchange);
    const stated = { target, endpoint: sts.endpoint, role };
    expect(begun).toMatchObject({
      kind: 'exchange.begun',
      spiffeId: deploy.spiffeId,
      owner: 'ada',
      stated,
      [proof]: expect.any(String),
    });
    const principal = `arn:aws:sts::123456789012:assumed-role/deploy/build-${exchange}`;
    expect(obtained).toMatchObject({
      kind: 'exchange.obtained',
      stated: { ...stated, principal, credential: AccessKeyId },
    });
    const [issued] = (await mayfly.operator.records({ [proof]: String(begun?.[proof]) })).map(({ kind }) => kind);
    expect(issued).toMatch(/issued$/);
    const shown = await mayfly.command('ledger', 'show', '--exchange', exchange);
    expect(shown.stdout).toContain(principal);
    for (const secret of [SecretAccessKey, SessionToken])
      expect(`${JSON.stringify(await exchanges())}${mayfly.output}`).not.toContain(secret);
  });
});

describe('what a person sees', () => {
  it('of it in the list of the ledger, a line each', async () => {
    await credentials();
    const { stdout } = await mayfly.command('ledger', 'list', '--kind', 'exchange.obtained');
    expect(stdout).toMatch(
      /exchange\.obtained +instance=.* exchange=[0-9a-f-]{36} .*stated=\(target=aws-web-identity .*role=arn:aws:iam::123456789012:role\/deploy/,
    );
  });

  it('where STS refuses: its word, its address, the next step, and no token', async () => {
    sts.trouble = ({ form }) => errorReply(403, 'AccessDenied', `Not authorized: ${form.get('WebIdentityToken')}`);
    const { status, stdout, stderr } = await credentials();
    sts.trouble = undefined;
    expect({ status, stdout }).toEqual({ status: 3, stdout: '' });
    expect(stderr).toContain(`error: ${sts.endpoint} refuses with status 403: AccessDenied: Not authorized: …\n`);
    expect(stderr).toContain('mayfly trust-policy aws');
    expect(`${stderr}${mayfly.output}`).not.toMatch(/eyJ/);
    expect((await exchanges()).at(-1)).toMatchObject({ kind: 'exchange.failed', stated: { failure: 'AccessDenied' } });
  });

  it('where it is owed no token for that audience: that, and nothing is asked of STS', async () => {
    const asked = sts.asked.length;
    const { status, stderr } = await credentials('--audience', 'api://AzureADTokenExchange');
    expect(status).toBe(3);
    expect(stderr).toContain('mayfly entry update');
    expect(sts.asked).toHaveLength(asked);
  });

  it('where STS is away, or is no STS', async () => {
    const away = await mayfly.command(
      'credentials',
      'aws',
      '--role-arn',
      role,
      '--sts-endpoint',
      'http://127.0.0.1:1/',
    );
    expect(away).toMatchObject({ status: 8, stderr: expect.stringContaining('http://127.0.0.1:1/ cannot be reached') });
    const plain = await mayfly.command(
      'credentials',
      'aws',
      '--role-arn',
      role,
      '--sts-endpoint',
      'http://sts.example/',
    );
    expect(plain).toMatchObject({ status: 2, stderr: expect.stringContaining('is not https') });
  });

  it.each([
    ['a role that is none', ['--role-arn', 'deploy'], 'is not the ARN of a role'],
    ['a session of a minute', ['--duration', '1m'], 'from 15m to 12h'],
    ['a name with no room for our number', ['--session-name', 'x'.repeat(40)], 'cannot begin a session'],
    ['roles-anywhere without its ARNs', ['--via', 'roles-anywhere'], '--trust-anchor-arn'],
  ])('for %s', async (_, flags, message) => {
    const { status, stderr } = await credentials(...flags);
    expect({ status, stderr }).toMatchObject({ status: 2, stderr: expect.stringContaining(message) });
  });
});

describe('an exchange without a record', () => {
  it('is not made: where the Workload API is another’s, the command says so', async () => {
    const { FakeWorkloadApi } = await import('../fakes/workload-api.ts');
    const { FakeJwtAuthority } = await import('../fakes/jwt-authority.ts');
    await using api = await FakeWorkloadApi.start();
    const jwt = new FakeJwtAuthority();
    api.jwtSvids = (request) => ({ svids: [jwt.svid(deploy.spiffeId, request.audience, Date.now())] });
    const asked = sts.asked.length;
    const { status, stderr } = await credentials('--socket', api.path, '--audience', audience);
    expect(status).toBe(9);
    expect(stderr).toContain('keeps no record of exchanges');
    expect(sts.asked).toHaveLength(asked);
  });
});

describe('the duration', () => {
  it('is what was asked for', async () => {
    const { stdout } = await credentials('--duration', '15m');
    const seconds = (Date.parse((JSON.parse(stdout) as { Expiration: string }).Expiration) - Date.now()) / 1_000;
    expect(seconds).toBeGreaterThan(700);
    expect(seconds).toBeLessThanOrEqual(900);
    expect(first(sts.asked.slice(-1)).form.get('DurationSeconds')).toBe('900');
  });
});

describe('mayfly credentials serve aws', () => {
  it('feeds an unmodified SDK of AWS by two variables, from one session, and leaves nothing behind', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'serve-aws-'));
    const wordFile = join(directory, 'aws.token');
    const asked = sts.asked.length;
    const serving = serveAws(mayfly, sts, wordFile);
    const variables = await serving.variables;
    expect(statSync(wordFile).mode & 0o777).toBe(0o600);
    const all = await Promise.all([credentialsOfSdk(variables), credentialsOfSdk(variables)]);
    expect(new Set(all.map(({ accessKeyId }) => accessKeyId)).size).toBe(1);
    expect(all[0]?.accessKeyId).toMatch(/^ASIA/);
    expect(sts.asked.length - asked).toBe(1);
    const refused = await credentialsOfSdk({
      ...variables,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: '/etc/hostname',
    }).catch((error: Error) => error);
    expect(refused).toBeInstanceOf(Error);
    expect(await serving.stop()).toBe(0);
    expect(existsSync(wordFile)).toBe(false);
    rmSync(directory, { recursive: true });
  });

  it('stops serving when the identity is withdrawn, and begins again when it is back', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'serve-aws-'));
    const serving = serveAws(mayfly, sts, join(directory, 'aws.token'));
    const { AWS_CONTAINER_CREDENTIALS_FULL_URI: url = '' } = await serving.variables;
    const authorization = readFileSync(join(directory, 'aws.token'), 'utf8');
    const status = async (): Promise<number> => (await fetch(url, { headers: { authorization } })).status;
    expect(await status()).toBe(200);
    const entry = first((await mayfly.operator.entries()).filter(({ spiffeId }) => spiffeId === deploy.spiffeId));
    await mayfly.operator.remove(entry);
    await until('it serves no longer', async () => (await status()) === 403);
    await mayfly.operator.create(deploy);
    await until('it serves again', async () => (await status()) === 200);
    await serving.stop();
    rmSync(directory, { recursive: true });
  });

  it('says what is not allowed when it starts, and not to the program', async () => {
    const { status, stderr } = await mayfly.command(
      'credentials',
      'serve',
      'aws',
      '--role-arn',
      `${role}2`,
      '--sts-endpoint',
      sts.endpoint,
      '--token-file',
      '/nonexistent/token',
    );
    expect({ status, stderr }).toMatchObject({ status: 3, stderr: expect.stringContaining('AccessDenied') });
  });
});

/** Nothing of this process but the variables: the SDK's own chain, with its own HTTP. */
async function credentialsOfSdk(variables: Readonly<Record<string, string>>): Promise<{ accessKeyId: string }> {
  const script = `
    const { S3Client } = await import('@aws-sdk/client-s3');
    const { accessKeyId } = await new S3Client({ region: 'eu-central-1' }).config.credentials();
    console.log(JSON.stringify({ accessKeyId }));`;
  const env = { PATH: process.env['PATH'], HOME: '/nonexistent', AWS_EC2_METADATA_DISABLED: 'true', ...variables };
  const { status, stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', script], { env });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as { accessKeyId: string };
}

describe('mayfly trust-policy aws', () => {
  const policy = (...more: string[]): Promise<Outcome> =>
    mayfly.command('trust-policy', 'aws', '--entry', deploy.spiffeId, '--role-arn', role, ...more);

  it('names our issuer, the audience and the subject, and nobody else', async () => {
    const { status, stdout, stderr } = await policy();
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({
      Statement: [
        {
          Principal: { Federated: ['arn:aws:iam::123456789012:oidc-provider/id.example.org/prod'] },
          Action: ['sts:AssumeRoleWithWebIdentity'],
          Condition: {
            StringEquals: { 'id.example.org/prod:aud': audience, 'id.example.org/prod:sub': deploy.spiffeId },
          },
        },
      ],
    });
  });

  it('permits session tags where the audience has them', async () => {
    expect((await mayfly.command('audience', 'set', 'aws', '--aws-session')).status).toBe(0);
    expect((await policy()).stdout).toMatch(/sts:TagSession[\s\S]*sts:SetSourceIdentity/);
    await mayfly.command('audience', 'delete', 'aws');
  });

  it('says what is missing at our side', async () => {
    expect((await policy('--audience', 'other')).stderr).toContain('the entry has no audience other');
    const nobody = await mayfly.command('trust-policy', 'aws', '--entry', 'spiffe://example.org/x', '--role-arn', role);
    expect(nobody).toMatchObject({ status: 4, stderr: expect.stringContaining('there is no entry for') });
    expect((await policy('--via', 'roles-anywhere')).stderr).toContain('--trust-anchor-arn');
  });
});
