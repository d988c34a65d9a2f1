/** A certified OpenID provider takes a workload as its client, by its certificate and by the key in it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createPublicKey, randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { calculateJwkThumbprint, exportJWK } from 'jose';
import { clientAssertion } from '../../src/cloud/assertion.ts';
import { askRelyingParty } from '../../src/cloud/http.ts';
import { readToken, type TokenQuestion, tokenRequest } from '../../src/cloud/oauth.ts';
import { WorkloadApiClient } from '../../src/sdk/client.ts';
import { freePort } from '../bench/free-port.ts';
import { check, holds, same } from './checks.ts';
import { type Clouds, identity, said, serverTls } from './clouds/stage.ts';
import { buildOauth } from './tools.ts';

const program = fileURLToPath(new URL('oauth/server.mjs', import.meta.url));
const never = new AbortController().signal;

export async function oauth(clouds: Clouds): Promise<void> {
  await check('oidc-provider is installed', buildOauth);
  using client = new WorkloadApiClient({ address: clouds.mayfly.endpoint });
  const {
    svids: [svid],
  } = await client.fetchX509Context();
  if (svid === undefined) throw new Error('no SVID');
  const jwk = await exportJWK(createPublicKey(svid.privateKey));
  const known = { ...jwk, kid: await calculateJwkThumbprint(jwk), use: 'sig', alg: 'ES256' };
  const keyFile = join(clouds.directory, 'client.key');
  const registered = JSON.parse(await said(clouds, 'config', 'client-key', keyFile, '--create')) as object;
  await using server = await start(clouds, { keys: [known] }, registered);
  await byRegisteredKey(clouds, server, keyFile);
  await byCertificate(clouds, server);
  const { privateKey: key, certificates } = svid;
  const assertion = (audience: string) =>
    clientAssertion({ clientId: 'web', audience, key, certificates }, Date.now(), randomUUID());
  await byKey(clouds, server, assertion);
}

interface Server extends AsyncDisposable {
  readonly issuer: string;
}

async function start(clouds: Clouds, jwks: object, registered: object): Promise<Server> {
  const clientRoots = join(clouds.directory, 'oauth-roots.pem');
  writeFileSync(clientRoots, await said(clouds, 'bundle', 'show'));
  const tls = { cert: join(clouds.tls, 'tls.crt'), key: join(clouds.tls, 'tls.key'), clientRoots };
  const options = { ...tls, port: await freePort(), spiffeId: identity, jwks, registered };
  const child: ChildProcess = spawn(process.execPath, [program, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const { value, done } = await lines[Symbol.asyncIterator]().next();
  if (done) throw new Error('the provider ended before it served');
  const close = async (): Promise<void> => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill();
    await ended;
  };
  return { issuer: String(value), [Symbol.asyncDispose]: close };
}

async function byCertificate(clouds: Clouds, { issuer }: Server): Promise<void> {
  const words = [
    'exchange',
    '--token-endpoint',
    `${issuer}/token`,
    '--audience',
    issuer,
    '--ca-bundle',
    join(clouds.tls, 'ca.crt'),
  ];
  const asClient = [...words, '--grant', 'client-credentials', '--client-auth', 'tls', '--scope', 'read'];
  await check(
    'oidc-provider, mayfly exchange, tls_client_auth: the client is the SPIFFE ID in the certificate',
    async () => {
      const { accessToken, tokenType, scope } = JSON.parse(await said(clouds, ...asClient, '--json')) as Record<
        string,
        string
      >;
      same('what was given', [tokenType, scope, (accessToken ?? '').length > 20], ['Bearer', 'read', true]);
    },
  );
  await check('oidc-provider, refused: another client than the certificate names', async () => {
    const refused = await said(clouds, ...asClient, '--client-id', 'web').catch(String);
    holds('the endpoint and its word', refused.includes(`${issuer}/token refuses with status 401: invalid_client`));
  });
}

async function byRegisteredKey(clouds: Clouds, { issuer }: Server, keyFile: string): Promise<void> {
  const where = ['exchange', '--token-endpoint', `${issuer}/token`, '--audience', issuer];
  const asClient = ['--grant', 'client-credentials', '--client-auth', 'private-key-jwt', '--client-id', 'registered'];
  const words = [...where, '--ca-bundle', join(clouds.tls, 'ca.crt'), ...asClient, '--scope', 'read', '--json'];
  await check(
    'oidc-provider, mayfly exchange, private_key_jwt: each process with the key that is registered',
    async () => {
      for (let process = 0; process < 2; process++) {
        const { tokenType } = JSON.parse(await said(clouds, ...words, '--client-key', keyFile)) as {
          tokenType: string;
        };
        same('what was given', tokenType, 'Bearer');
      }
    },
  );
  await check('oidc-provider, refused: the same client with the key of its SVID', async () => {
    const refused = await said(clouds, ...words).catch(String);
    holds('its word', refused.includes('invalid_client'));
  });
}

async function byKey(
  clouds: Clouds,
  { issuer }: Server,
  assertion: (audience: string) => Promise<string>,
): Promise<void> {
  const question: TokenQuestion = {
    ...{
      endpoint: `${issuer}/token`,
      grant: 'client-credentials',
      clientAuth: 'private-key-jwt',
      clientId: 'web',
      scope: 'read',
    },
    ca: serverTls(clouds).ca,
  };
  const ask = async (text: string) => {
    const asked = { ...question, assertion: text };
    return readToken(await askRelyingParty(tokenRequest(asked), never), asked, Date.now());
  };
  await check('oidc-provider, private_key_jwt: signed by the key of the X.509-SVID; once', async () => {
    const text = await assertion(issuer);
    same('what was given', (await ask(text)).tokenType, 'Bearer');
    holds('a second time it is refused', (await ask(text).catch(String)).toString().includes('invalid_client'));
  });
  await check('oidc-provider, refused: an assertion for somebody else', async () => {
    holds(
      'why',
      (await ask(await assertion('https://other.example')).catch(String)).toString().includes('invalid_client'),
    );
  });
}
