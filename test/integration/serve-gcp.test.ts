/** Google's own library, fed from an endpoint of ours by the one file that it knows: served for long, or for one program. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { JsonServer } from '../fakes/json-server.ts';
import { issuer } from './aws.ts';
import { first, launcher, type Mayfly, run, startMayfly, until } from './fixture.ts';

const provider = 'projects/123456/locations/global/workloadIdentityPools/pool/providers/mayfly';
const web = {
  ...{ spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:0'] },
  audiences: [`https://iam.googleapis.com/${provider}`],
};
const directory = mkdtempSync(join(tmpdir(), 'serve-gcp-'));
const file = join(directory, 'gcp.json');
let mayfly: Mayfly;
let google: JsonServer;

beforeAll(async () => {
  mayfly = await startMayfly({ flags: ['--issuer', issuer] });
  await mayfly.operator.create(web);
  const body = { access_token: 'federated', token_type: 'Bearer', expires_in: 3_600 };
  google = await JsonServer.start(() => ({ status: 200, body: { ...body, issued_token_type: 'urn:x' } }));
});
afterAll(async () => {
  await google[Symbol.asyncDispose]();
  await mayfly[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

const account = () => ['--provider', provider, '--token-url', `${google.address}/v1/token`];
const serve = () => {
  const words = ['credentials', 'serve', 'gcp', '--json', ...account(), '--out', file];
  const child = spawn(launcher, words, {
    env: { ...process.env, SPIFFE_ENDPOINT_SOCKET: mayfly.endpoint },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const variables = new Promise<Record<string, string>>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (line) => resolve(JSON.parse(line)));
    void exited.then((code) => reject(new Error(`it ended with ${code}`)));
  });
  const stop = (): Promise<number | null> => {
    child.kill('SIGTERM');
    return exited;
  };
  return { variables, stop };
};
const source = () => JSON.parse(readFileSync(file, 'utf8')).credential_source as { url: string; headers: object };
const program = `
  const { GoogleAuth } = await import('google-auth-library');
  const { readFileSync } = await import('node:fs');
  const client = await new GoogleAuth({ scopes: 'https://www.googleapis.com/auth/cloud-platform' }).getClient();
  const { token } = await client.getAccessToken();
  const { url } = JSON.parse(readFileSync(process.env.GOOGLE_APPLICATION_CREDENTIALS, 'utf8')).credential_source;
  console.log(JSON.stringify({ token, url }));`;
const library = ['--input-type=module', '-e', program];
const surroundings = { PATH: process.env['PATH'], HOME: '/nonexistent', GOOGLE_CLOUD_PROJECT: 'p' };

/** Whose token Google was shown last, by the keys that we publish. */
async function shown(): Promise<unknown> {
  const { stdout } = await mayfly.command('oidc', 'show', '--json');
  const { documents } = JSON.parse(stdout) as { documents: { path: string; content: JSONWebKeySet }[] };
  const keys = first(documents.filter(({ path }) => path === '/prod/keys')).content;
  const form = new URLSearchParams(google.asked.at(-1)?.text);
  expect(form.get('audience')).toBe(`//iam.googleapis.com/${provider}`);
  const token = form.get('subject_token') ?? '';
  return (await jwtVerify(token, createLocalJWKSet(keys), { issuer, audience: web.audiences })).payload.sub;
}

it('mayfly credentials serve gcp: the library has a token by one variable, and nobody without the word', async () => {
  const serving = serve();
  const variables = await serving.variables;
  expect({ variables, mode: statSync(file).mode & 0o777 }).toEqual({
    ...{ variables: { GOOGLE_APPLICATION_CREDENTIALS: file }, mode: 0o600 },
  });
  const got = await run(process.execPath, library, { env: { ...surroundings, ...variables } });
  expect({ stderr: got.stderr, token: JSON.parse(got.stdout).token }).toEqual({ stderr: '', token: 'federated' });
  expect(await shown()).toBe(web.spiffeId);
  expect((await fetch(source().url)).status).toBe(403);
  expect(await serving.stop()).toBe(0);
  expect(existsSync(file)).toBe(false);
});

it('serves nothing once the identity is withdrawn, and again when it is back', async () => {
  const serving = serve();
  await serving.variables;
  const { url, headers } = source();
  const status = async (): Promise<number> => (await fetch(url, { headers: { ...headers } })).status;
  expect(await status()).toBe(200);
  await mayfly.operator.remove(first(await mayfly.operator.entries()));
  await until('it serves no longer', async () => (await status()) === 403);
  await mayfly.operator.create(web);
  await until('it serves again', async () => (await status()) === 200);
  await serving.stop();
});

it('mayfly env gcp --gcp-source url: for as long as one program runs', async () => {
  const words = ['gcp', '--gcp-source', 'url', '--gcp-provider', provider, '--gcp-token-url', `${google.address}/t`];
  const env = { ...surroundings, SPIFFE_ENDPOINT_SOCKET: mayfly.endpoint, XDG_RUNTIME_DIR: directory };
  const ended = await run(launcher, ['env', ...words, '--', process.execPath, ...library], { env });
  expect(ended).toMatchObject({ status: 0, stderr: '' });
  expect(JSON.parse(ended.stdout)).toEqual({
    token: 'federated',
    url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:/),
  });
  expect(await shown()).toBe(web.spiffeId);
  expect(readdirSync(join(directory, 'mayfly')).filter((name) => name.startsWith('env-'))).toEqual([]);
  const wrong = await run(launcher, ['env', 'gcp', '--gcp-source', 'executable', ...words.slice(3), '--', 'true'], {
    env,
  });
  expect(wrong).toMatchObject({ status: 2, stderr: expect.stringContaining("'executable' is not a source here") });
});

it('says what is not allowed when it starts', async () => {
  const other = provider.replace('mayfly', 'other');
  const words = ['credentials', 'serve', 'gcp', '--provider', other, '--out', file];
  const { status, stderr } = await mayfly.command(...words);
  expect({ status, stderr }).toEqual({ status: 3, stderr: expect.stringContaining('mayfly entry update') });
  expect(existsSync(file)).toBe(false);
});
