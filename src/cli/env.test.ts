/** `mayfly env` and `mayfly credentials` as real processes, against a Workload API that does as it is told. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FakeCa, svidMessage, x509Answer } from '../../test/fakes/ca.ts';
import { launcher, mayfly } from '../../test/fakes/command-line.ts';
import { eventually } from '../../test/fakes/eventually.ts';
import { FakeJwtAuthority } from '../../test/fakes/jwt-authority.ts';
import { FakeWorkloadApi, Status } from '../../test/fakes/workload-api.ts';

const web = 'spiffe://example.org/web';
const provider = 'projects/123456/locations/global/workloadIdentityPools/pool/providers/mayfly';
const role = 'arn:aws:iam::123456789012:role/deploy';
const [authority, ca] = [new FakeJwtAuthority(), new FakeCa('example.org')];
const directory = mkdtempSync(join(tmpdir(), 'env-'));
const files = join(directory, 'run', 'mayfly');
let api: FakeWorkloadApi;

beforeAll(async () => {
  api = await FakeWorkloadApi.start();
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});
beforeEach(() => {
  api.jwtSvids = ({ audience }) => ({ svids: [authority.svid(web, audience, Date.now(), 3_600)] });
  api.x509Svids.send(x509Answer([svidMessage(ca.issue('/web'), [ca.certificate])], {}));
});

const surroundings = () => ({
  PATH: '/usr/bin:/bin',
  SPIFFE_ENDPOINT_SOCKET: api.address,
  XDG_RUNTIME_DIR: join(directory, 'run'),
});
const say = (words: readonly string[], env = {}) =>
  mayfly(words, { env: { ...surroundings(), ...env }, cwd: directory });
const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
/** What `mayfly env … -- sh -c script` says, and that it left nothing. */
async function within(words: readonly string[], script: string, env = {}) {
  const ended = await say(['env', ...words, '--', 'sh', '-c', script], env);
  expect(readdirSync(files)).toEqual([]);
  return ended;
}

describe('mayfly env', () => {
  it('aws: a token file, the role and a session name that a person recognises; no other identity beside it', async () => {
    const script =
      'cat $AWS_WEB_IDENTITY_TOKEN_FILE; echo " $AWS_ROLE_ARN $AWS_ROLE_SESSION_NAME $(printenv AWS_ACCESS_KEY_ID || echo none) $(printenv AWS_PROFILE || echo none)"';
    const { out, err, code } = await within(['aws', '--aws-role-arn', role], script, {
      AWS_ACCESS_KEY_ID: 'static',
      AWS_PROFILE: 'p',
    });
    expect({ err, code }).toEqual({ err: '', code: 0 });
    const [token = '', ...rest] = out.trim().split(' ');
    expect(claimsOf(token)).toMatchObject({ sub: web, aud: ['sts.amazonaws.com'] });
    expect(rest).toEqual([role, 'example.org.web', 'none', 'none']);
  });

  it('takes what the surroundings say already', async () => {
    const script =
      'echo $AZURE_CLIENT_ID $AZURE_TENANT_ID $AZURE_AUTHORITY_HOST $AZURE_TOKEN_CREDENTIALS $(printenv AZURE_CLIENT_SECRET || echo none); cat $AZURE_FEDERATED_TOKEN_FILE';
    const { out } = await within(['azure'], script, {
      AZURE_CLIENT_ID: 'c',
      AZURE_TENANT_ID: 't',
      AZURE_CLIENT_SECRET: 's',
    });
    const [variables, token = ''] = out.split('\n');
    expect(variables).toBe('c t https://login.microsoftonline.com/ WorkloadIdentityCredential none');
    expect(claimsOf(token).aud).toEqual(['api://AzureADTokenExchange']);
  });

  it('azure: warns where tokens live too short for what its libraries keep', async () => {
    api.jwtSvids = ({ audience }) => ({ svids: [authority.svid(web, audience, Date.now(), 300)] });
    const { err, code } = await within(['azure', '--azure-client-id', 'c', '--azure-tenant-id', 't'], 'true');
    expect({ err, code }).toEqual({
      err: expect.stringContaining('tokens for azure last less than 10m here'),
      code: 0,
    });
  });

  it('gcp: external_account JSON with a file as its source', async () => {
    const script =
      'cat $GOOGLE_APPLICATION_CREDENTIALS; echo; cat $(dirname $GOOGLE_APPLICATION_CREDENTIALS)/gcp.token';
    const words = ['gcp', '--gcp-provider', provider, '--gcp-service-account', 'app@p.iam.gserviceaccount.com'];
    const { out } = await within(words, script);
    const [json = '', token = ''] = out.split('\n}\n\n');
    expect(JSON.parse(`${json}}`)).toMatchObject({
      type: 'external_account',
      audience: `//iam.googleapis.com/${provider}`,
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: 'https://sts.googleapis.com/v1/token',
      service_account_impersonation_url:
        'https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/app@p.iam.gserviceaccount.com:generateAccessToken',
      credential_source: { file: expect.stringMatching(/gcp\.token$/), format: { type: 'text' } },
    });
    expect(claimsOf(token).aud).toEqual([`https://iam.googleapis.com/${provider}`]);
  });

  it('several at once, postgres and kubernetes: certificates and a kubeconfig', async () => {
    const script =
      'openssl verify -CAfile $PGSSLROOTCERT $PGSSLCERT; stat -c %a $PGSSLKEY; echo $PGSSLMODE; cat $KUBECONFIG';
    const words = ['postgres', 'kubernetes', '--kubernetes-server', 'https://k8s:6443', '--kubernetes-audience', 'k8s'];
    const { out } = await within(words, script);
    expect(out).toMatch(/postgres\.crt: OK\n600\nverify-full\n\{/);
    expect(JSON.parse(out.slice(out.indexOf('{')))).toMatchObject({
      clusters: [{ cluster: { server: 'https://k8s:6443' } }],
      users: [{ user: { exec: { command: launcher, args: expect.arrayContaining(['--audience=k8s']) } } }],
    });
  });

  it('kubernetes alone needs no file that is kept', async () => {
    const words = ['kubernetes', '--kubernetes-server', 'https://k8s:6443', '--kubernetes-audience', 'k8s'];
    expect(await within(words, 'basename $KUBECONFIG')).toEqual({ out: 'kubeconfig\n', err: '', code: 0 });
  });

  it('keeps the files fresh while the program runs', async () => {
    api.jwtSvids = ({ audience }) => ({ svids: [authority.svid(web, audience, Date.now(), 4)] });
    const script =
      'f=$AWS_WEB_IDENTITY_TOKEN_FILE; a=$(cat $f); while [ "$(cat $f)" = "$a" ]; do sleep 0.2; done; echo another';
    const { out } = await within(['aws', '--aws-role-arn', role], script);
    expect(out).toBe('another\n');
  });

  it('passes on how the program ends, and what signals it gets', { timeout: 60_000 }, async () => {
    expect((await within(['aws', '--aws-role-arn', role], 'exit 7')).code).toBe(7);
    expect((await within(['aws', '--aws-role-arn', role], 'kill -KILL $$')).code).toBe(137);
    for (const [signal, code] of [
      ['SIGTERM', 42],
      ['SIGHUP', 43],
      ['SIGINT', 44],
    ] as const) {
      const script = `trap 'exit ${code}' ${signal.slice(3)}; echo ready; while :; do sleep 0.1; done`;
      const child = spawn(launcher, ['env', 'aws', '--aws-role-arn', role, '--', 'sh', '-c', script], {
        env: surroundings(),
      });
      let out = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
      await eventually('it runs', () => out.includes('ready'));
      child.kill(signal);
      expect(await new Promise((resolve) => child.once('close', resolve))).toBe(code);
      expect(readdirSync(files)).toEqual([]);
    }
  });

  it('leaves nothing where it is ended before the program has started', async () => {
    api.jwtSvids = () => new Promise(() => {});
    const asked = api.calls.length;
    const words = ['env', 'aws', '--aws-role-arn', role, '--', 'true'];
    const child = spawn(launcher, words, { env: surroundings() });
    await eventually('it asks', () => api.calls.length > asked);
    child.kill('SIGTERM');
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(143);
    expect(readdirSync(files)).toEqual([]);
  });

  it('removes what one left that was killed without a word', async () => {
    const child = spawn(launcher, ['env', 'aws', '--aws-role-arn', role, '--', 'sleep', '60'], {
      env: surroundings(),
      detached: true,
    });
    await eventually('it runs', () => readdirSync(files).length > 0);
    process.kill(-(child.pid ?? 0), 'SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
    await within(['aws', '--aws-role-arn', role], 'true');
  });

  it.each([
    [['aws', '--', 'true'], 2, 'missing: --aws-role-arn, or set AWS_ROLE_ARN'],
    [['aws', '--aws-role-arn', 'deploy', '--', 'true'], 2, "'deploy' is not a role"],
    [['aws'], 2, 'no program is named'],
    [['aws', '--', ''], 2, 'no program is named'],
    [['--', 'true'], 2, 'no target is named'],
    [['ibm', '--', 'true'], 2, "'ibm' is not a target: aws, gcp,"],
    [['gcp', '--gcp-provider', 'projects/name/x', '--', 'true'], 2, 'is not a provider'],
    [['postgres', '--', '/nonexistent/program'], 4, 'cannot run /nonexistent/program: it does not exist'],
  ])('%j ends with %d and leaves nothing', async (words, code, message) => {
    mkdirSync(files, { recursive: true });
    const ended = await say(['env', ...words]);
    expect(ended).toMatchObject({ code, out: '', err: expect.stringContaining(message) });
    expect(readdirSync(files)).toEqual([]);
  });

  it('does not start the program of who is owed nothing', async () => {
    api.jwtSvids = () => new Status(7, 'no identity issued');
    const { out, err, code } = await within(['aws', '--aws-role-arn', role], 'echo started');
    expect({ out, code }).toEqual({ out: '', code: 3 });
    expect(err).toContain('mayfly entry list --selector unix:uid:');
  });
});

describe('mayfly credentials gcp', () => {
  const env = { GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE: `//iam.googleapis.com/${provider}` };

  it('prints what an executable does, and keeps it where the library looks first', async () => {
    const file = join(directory, 'gcp-answer.json');
    const { out, err, code } = await say(['credentials', 'gcp'], { ...env, GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE: file });
    expect({ err, code }).toEqual({ err: '', code: 0 });
    const answer = JSON.parse(out);
    expect(answer).toMatchObject({ version: 1, success: true, token_type: 'urn:ietf:params:oauth:token-type:jwt' });
    expect(claimsOf(answer.id_token)).toMatchObject({
      aud: [`https://iam.googleapis.com/${provider}`],
      exp: answer.expiration_time,
    });
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(answer);
  });

  it.each([
    ['it is owed nothing', env, 'permission-denied'],
    [
      'another token is wanted',
      { ...env, GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE: 'urn:ietf:params:oauth:token-type:saml2' },
      'invalid-argument',
    ],
    ['the library does not say for whom', {}, 'invalid-argument'],
  ])('answers with the protocol’s failure, and is silent on stderr, where %s', async (_, surroundings, failure) => {
    if (failure === 'permission-denied') api.jwtSvids = () => new Status(7, 'no identity issued');
    const { out, err, code } = await say(['credentials', 'gcp'], surroundings);
    expect({ err, code }).toEqual({ err: '', code: 0 });
    expect(JSON.parse(out)).toMatchObject({ version: 1, success: false, code: failure, message: expect.any(String) });
  });
});

describe('mayfly credentials kubernetes', () => {
  it('prints a token with its end, in the version that is asked for', async () => {
    for (const [words, env, version] of [
      [[], {}, 'v1'],
      [['--api-version', 'v1beta1'], {}, 'v1beta1'],
      [[], { KUBERNETES_EXEC_INFO: '{"apiVersion":"client.authentication.k8s.io/v1beta1"}' }, 'v1beta1'],
    ] as const) {
      const { out, err, code } = await say(['credentials', 'kubernetes', '--audience', 'k8s', ...words], env);
      expect({ err, code }).toEqual({ err: '', code: 0 });
      const { apiVersion, kind, status } = JSON.parse(out);
      expect({ apiVersion, kind }).toEqual({
        apiVersion: `client.authentication.k8s.io/${version}`,
        kind: 'ExecCredential',
      });
      const { aud, exp } = claimsOf(status.token);
      expect(aud).toEqual(['k8s']);
      expect(status.expirationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      expect(Date.parse(status.expirationTimestamp)).toBeLessThan(exp * 1_000);
    }
  });

  it('prints a certificate and its key', async () => {
    const { out } = await say(['credentials', 'kubernetes', '--client-certificate']);
    const { status } = JSON.parse(out);
    expect(status.clientCertificateData).toMatch(/^-----BEGIN CERTIFICATE-----/);
    expect(status.clientKeyData).toMatch(/^-----BEGIN PRIVATE KEY-----/);
  });

  it.each([
    [[], {}, 'name one of --audience and --client-certificate'],
    [['--audience', 'a', '--client-certificate'], {}, 'name one of --audience and --client-certificate'],
    [
      ['--audience', 'a'],
      { KUBERNETES_EXEC_INFO: '{"apiVersion":"client.authentication.k8s.io/v1alpha1"}' },
      'asks for "client.authentication.k8s.io/v1alpha1"; we have',
    ],
    [['--audience', 'a'], { KUBERNETES_EXEC_INFO: 'x' }, 'asks for "undefined"'],
  ])('%j ends with 2', async (words, env, message) => {
    const ended = await say(['credentials', 'kubernetes', ...words], env);
    expect(ended).toMatchObject({ code: 2, out: '', err: expect.stringContaining(message) });
  });
});

describe('mayfly config gcp', () => {
  const make = async (...words: string[]) => {
    const { out, err, code } = await say(['config', 'gcp', '--provider', provider, ...words]);
    expect({ err, code }).toEqual({ err: '', code: 0 });
    return JSON.parse(out);
  };

  it('names a file, a URL, our own executable, or a certificate as the source', async () => {
    expect((await make('--token-file', 'gcp.token')).credential_source).toEqual({
      file: join(directory, 'gcp.token'),
      format: { type: 'text' },
    });
    expect(
      (await make('--source', 'url', '--url', 'http://127.0.0.1:9465/t', '--header', 'X-Key: 1')).credential_source,
    ).toEqual({
      ...{ url: 'http://127.0.0.1:9465/t', headers: { 'X-Key': '1' }, format: { type: 'text' } },
    });
    expect(
      (await make('--source', 'executable', '--executable-timeout', '10s', '--output-file', '/run/o'))
        .credential_source,
    ).toEqual({
      executable: { command: `${launcher} credentials gcp`, timeout_millis: 10_000, output_file: '/run/o' },
    });
    const words = [
      '--source',
      'x509',
      '--certificate',
      'a.crt',
      '--key',
      'a.key',
      '--certificate-config',
      'certs.json',
    ];
    expect(await make(...words)).toMatchObject({
      token_url: 'https://sts.mtls.googleapis.com/v1/token',
      subject_token_type: 'urn:ietf:params:oauth:token-type:mtls',
      credential_source: {
        certificate: {
          certificate_config_location: join(directory, 'certs.json'),
          trust_chain_path: join(directory, 'a.crt'),
        },
      },
    });
    expect(JSON.parse(readFileSync(join(directory, 'certs.json'), 'utf8'))).toMatchObject({
      cert_configs: { workload: { cert_path: join(directory, 'a.crt'), key_path: join(directory, 'a.key') } },
    });
  });

  it('impersonates a service account, for as long as is said, in whatever universe', async () => {
    const account = ['--service-account', 'app@p.iam.gserviceaccount.com', '--lifetime', '20m'];
    expect(await make('--token-file', 't', ...account, '--universe-domain', 'u.example')).toMatchObject({
      ...{ token_url: 'https://sts.u.example/v1/token', universe_domain: 'u.example' },
      service_account_impersonation_url: expect.stringContaining(
        'https://iamcredentials.u.example/v1/projects/-/serviceAccounts/app@',
      ),
      service_account_impersonation: { token_lifetime_seconds: 1_200 },
    });
  });

  it('writes a file where it is told to', async () => {
    const { out } = await say(['config', 'gcp', '--provider', provider, '--token-file', 't', '--out', 'gcp.json']);
    expect(out).toBe(`Wrote ${directory}/gcp.json. Export GOOGLE_APPLICATION_CREDENTIALS=${directory}/gcp.json\n`);
    expect(JSON.parse(readFileSync(join(directory, 'gcp.json'), 'utf8')).type).toBe('external_account');
  });

  it.each([
    [['--token-file', 't', '--lifetime', '20m'], 'name the service account too'],
    [
      ['--token-file', 't', '--lifetime', '1m', '--service-account', 'a@p.iam.gserviceaccount.com'],
      "'1m' is not from 10m to 12h",
    ],
    [['--source', 'url', '--url', 'http://elsewhere/t'], 'is not https'],
    [['--source', 'url'], 'the source url needs --url'],
    [['--token-file', 't', '--service-account', 'app'], "'app' is not a service account"],
    [['--source', 'url', '--url', 'https://a/', '--header', 'x'], '--header is not a name'],
  ])('%j ends with 2', async (words, message) => {
    const ended = await say(['config', 'gcp', '--provider', provider, ...words]);
    expect(ended).toMatchObject({ code: 2, out: '', err: expect.stringContaining(message) });
  });
});
