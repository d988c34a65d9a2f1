/** Google's own library with each source of tokens, against a service that judges as Google documents it. */
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launcher, run } from '../integration/fixture.ts';
import { check, holds, same } from './checks.ts';
import { type Clouds, client, identity, provider, said } from './clouds/stage.ts';
import { type Reply, type Seen, TokenService, verified } from './clouds/token-service.ts';

const program = fileURLToPath(new URL('clouds/google-client.ts', import.meta.url));
const urn = 'urn:ietf:params:oauth:';
const resource = `//iam.googleapis.com/${provider}`;
const scope = 'https://www.googleapis.com/auth/cloud-platform';
const account = 'app@project.iam.gserviceaccount.com';
const lifetimeSeconds = 1_200;

export async function google(clouds: Clouds): Promise<void> {
  await using service = await TokenService.start(clouds, (seen) => answer(clouds, seen));
  const files = {
    token: join(clouds.directory, 'gcp.token'),
    certificate: join(clouds.directory, 'gcp.crt'),
    key: join(clouds.directory, 'gcp.key'),
  };
  const projection = join(clouds.directory, 'gcp.yaml');
  const certificates = [{ certificate: files.certificate, key: files.key }];
  writeFileSync(
    projection,
    JSON.stringify({ tokens: [{ audience: `https:${resource}`, file: files.token }], certificates }),
  );
  await said(clouds, 'project', '--once', projection);
  await using local = await tokenServer(files.token);
  const x509 = [
    '--certificate',
    files.certificate,
    '--key',
    files.key,
    '--certificate-config',
    join(clouds.directory, 'certificates.json'),
  ];
  const sources: Readonly<Record<string, readonly string[]>> = {
    file: ['--token-file', files.token],
    url: ['--url', local.url, '--header', `x-key: ${local.key}`],
    executable: ['--output-file', join(clouds.directory, 'gcp-answer.json')],
    x509,
  };
  for (const [source, words] of Object.entries(sources)) await exchange(clouds, service, source, words);
  await cached(clouds, service);
  await forbidden(clouds, service);
  await impersonation(clouds, service, files.token);
  await environment(clouds, service);
}

/** Application default credentials, as `mayfly config gcp` writes them. */
async function credentials(
  clouds: Clouds,
  service: TokenService,
  source: string,
  words: readonly string[],
): Promise<string> {
  const file = join(clouds.directory, `gcp-${source}.json`);
  await said(
    clouds,
    'config',
    'gcp',
    '--provider',
    provider,
    '--source',
    source,
    '--token-url',
    `${service.address}/v1/token`,
    ...words,
    '--out',
    file,
  );
  return file;
}

const environmentWith = (file: string) => ({
  GOOGLE_APPLICATION_CREDENTIALS: file,
  GOOGLE_CLOUD_PROJECT: 'project',
  GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES: '1',
});

async function exchange(
  clouds: Clouds,
  service: TokenService,
  source: string,
  words: readonly string[],
): Promise<void> {
  await check(
    `Google, google-auth-library, source ${source}: every field is as Google documents it, and the proof is good`,
    async () => {
      service.seen.length = 0;
      const got = await client(clouds, environmentWith(await credentials(clouds, service, source, words)), program);
      same('what the library has', got, { token: `federated for ${identity}` });
      same('questions', service.seen.length, 1);
      const { subject_token: _, ...form } = service.seen[0]?.form ?? {};
      same('the form', form, {
        grant_type: `${urn}grant-type:token-exchange`,
        audience: resource,
        scope,
        requested_token_type: `${urn}token-type:access_token`,
        subject_token_type: `${urn}token-type:${source === 'x509' ? 'mtls' : 'jwt'}`,
      });
    },
  );
}

async function answer(clouds: Clouds, seen: Seen): Promise<Reply> {
  if (seen.path.endsWith(':generateAccessToken')) return impersonated(seen);
  const { form } = seen;
  const subject = form['subject_token_type']?.endsWith(':mtls')
    ? certified(seen)
    : await tokened(clouds, form['subject_token'] ?? '');
  return {
    status: 200,
    body: {
      access_token: `federated for ${subject}`,
      issued_token_type: `${urn}token-type:access_token`,
      token_type: 'Bearer',
      expires_in: 3_600,
    },
  };
}

async function tokened(clouds: Clouds, token: string): Promise<string> {
  const { payload } = await verified(clouds, token, {
    audience: [resource, `https:${resource}`],
    algorithms: ['RS256', 'ES256'],
  });
  const { iat = Infinity, exp = 0, sub = '' } = payload;
  holds('iat is past, and exp within 24 h of it', iat * 1_000 <= Date.now() && exp - iat < 86_400);
  holds('google.subject fits', Buffer.byteLength(sub) <= 127);
  return sub;
}

/** The certificate of the handshake is the first of the list, and leads to the trust anchor. */
function certified({ form, certificate }: Seen): string {
  const [leaf = ''] = JSON.parse(form['subject_token'] ?? '[]') as string[];
  const given = new X509Certificate(Buffer.from(leaf, 'base64'));
  holds('it is the one of the handshake', certificate?.raw.equals(given.raw));
  return given.subjectAltName?.replace('URI:', '') ?? '';
}

function impersonated({ authorization, body }: Seen): Reply {
  same('whose token it is', authorization, `Bearer federated for ${identity}`);
  same('what is asked', JSON.parse(body), { scope: [scope], lifetime: `${lifetimeSeconds}s` });
  return {
    status: 200,
    body: { accessToken: `as ${account}`, expireTime: new Date(Date.now() + lifetimeSeconds * 1_000).toISOString() },
  };
}

async function cached(clouds: Clouds, service: TokenService): Promise<void> {
  await check('Google, executable: the next process takes the answer that the output file keeps', async () => {
    const kept = readFileSync(join(clouds.directory, 'gcp-answer.json'), 'utf8');
    service.seen.length = 0;
    await client(
      clouds,
      { ...environmentWith(join(clouds.directory, 'gcp-executable.json')), SPIFFE_ENDPOINT_SOCKET: 'unix:///nowhere' },
      program,
    );
    same('the token', service.seen[0]?.form['subject_token'], (JSON.parse(kept) as { id_token: string }).id_token);
  });
}

async function forbidden(clouds: Clouds, service: TokenService): Promise<void> {
  await check(
    'Google, executable: is not run unless that is allowed; a refusal of ours is told by the library',
    async () => {
      const file = await credentials(clouds, service, 'executable', []);
      const denied = await client(
        clouds,
        { ...environmentWith(file), GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES: '0' },
        program,
      ).catch(String);
      holds('the library says what to set', String(denied).includes('GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES'));
      const away = await client(
        clouds,
        { ...environmentWith(file), SPIFFE_ENDPOINT_SOCKET: 'unix:///nowhere' },
        program,
      ).catch(String);
      holds('it says what mayfly said', String(away).includes('mayfly is not running here'));
    },
  );
}

/** The service account's endpoint is always Google's; here it is elsewhere. */
async function impersonation(clouds: Clouds, service: TokenService, token: string): Promise<void> {
  await check('Google, impersonation: the token of a service account, for as long as was said', async () => {
    const words = ['--token-file', token, '--service-account', account, '--lifetime', '20m'];
    const file = await credentials(clouds, service, 'file', words);
    const written = readFileSync(file, 'utf8');
    holds(
      'the URL is Google’s',
      written.includes(
        `https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/${account}:generateAccessToken`,
      ),
    );
    writeFileSync(file, written.replace('https://iamcredentials.googleapis.com', service.address));
    same('what the library has', await client(clouds, environmentWith(file), program), { token: `as ${account}` });
  });
}

async function environment(clouds: Clouds, service: TokenService): Promise<void> {
  await check('Google, mayfly env gcp: the library finds everything by itself', async () => {
    const target = [
      '--gcp-provider',
      provider,
      '--gcp-project',
      'project',
      '--gcp-token-url',
      `${service.address}/v1/token`,
    ];
    const { status, stdout, stderr } = await run(launcher, ['env', 'gcp', ...target, '--', process.execPath, program], {
      env: clouds.env,
    });
    same('how it ended', { status, stderr }, { status: 0, stderr: '' });
    same('what the library has', JSON.parse(stdout), { token: `federated for ${identity}` });
  });
}

/** What somebody may have on this machine to hand out the token: only to those who know its key. */
async function tokenServer(file: string): Promise<AsyncDisposable & { readonly url: string; readonly key: string }> {
  const key = 'of this test';
  const server = http.createServer((request, response) => {
    const allowed = request.method === 'GET' && request.headers['x-key'] === key;
    response
      .writeHead(allowed ? 200 : 403, { 'content-type': 'text/plain' })
      .end(allowed ? readFileSync(file, 'utf8') : '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
  return { url, key, [Symbol.asyncDispose]: () => new Promise((resolve) => void server.close(() => resolve())) };
}
