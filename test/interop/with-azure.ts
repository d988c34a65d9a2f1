/** Azure's own library, against an authority that judges as Entra documents it. */
import { fileURLToPath } from 'node:url';
import { launcher, run } from '../integration/fixture.ts';
import { check, holds, same } from './checks.ts';
import { type Clouds, identity } from './clouds/stage.ts';
import { type Reply, type Seen, TokenService, verified } from './clouds/token-service.ts';
import { buildAzure } from './tools.ts';

const program = fileURLToPath(new URL('azure/client.mjs', import.meta.url));
const audience = 'api://AzureADTokenExchange';
const [tenant, application] = ['11111111-2222-3333-4444-555555555555', '66666666-7777-8888-9999-000000000000'];

export async function azure(clouds: Clouds): Promise<void> {
  await check('Azure’s library is installed', buildAzure);
  await using service: TokenService = await TokenService.start(clouds, (seen) => answer(clouds, service.address, seen));
  await check(
    'Azure, @azure/identity in mayfly env azure: every field is as Entra documents it, and the proof is RS256',
    async () => {
      const { status, stdout, stderr } = await environment(clouds, service, ['--azure-client-id', application]);
      same('how it ended', { status, stderr }, { status: 0, stderr: '' });
      same('what the library has', (JSON.parse(stdout) as { token: string }).token, `for ${identity}`);
      const asked = service.seen.filter(({ method }) => method === 'POST');
      same('questions', asked.length, 1);
      const { client_assertion: _, ...form } = asked[0]?.form ?? {};
      same('path', asked[0]?.path.replace(/\?.*/, ''), `/${tenant}/oauth2/v2.0/token`);
      const { client_id, scope, grant_type, client_assertion_type } = form;
      same(
        'the form',
        { client_id, scope, grant_type, client_assertion_type },
        {
          client_id: application,
          scope: 'https://vault.azure.net/.default',
          grant_type: 'client_credentials',
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        },
      );
    },
  );
  await check('Azure: a token for somebody else is refused, and the library says why', async () => {
    const { status, stderr } = await environment(clouds, service, [
      '--azure-client-id',
      application,
      '--azure-audience',
      'reports',
    ]);
    holds('it failed', status !== 0);
    holds('the authority’s words', stderr.includes('AADSTS700212'));
  });
}

const environment = (clouds: Clouds, service: TokenService, words: readonly string[]) =>
  run(
    launcher,
    [
      'env',
      'azure',
      '--azure-tenant-id',
      tenant,
      '--azure-authority-host',
      service.address,
      ...words,
      '--',
      process.execPath,
      program,
    ],
    { env: clouds.env },
  );

async function answer(clouds: Clouds, address: string, { method, form }: Seen): Promise<Reply> {
  const base = `${address}/${tenant}`;
  if (method === 'GET') {
    const endpoints = {
      token_endpoint: `${base}/oauth2/v2.0/token`,
      authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
      jwks_uri: `${base}/keys`,
    };
    return { status: 200, body: { issuer: `${base}/v2.0`, ...endpoints } };
  }
  try {
    const { payload, protectedHeader } = await verified(clouds, form['client_assertion'] ?? '', {
      audience,
      algorithms: ['RS256'],
    });
    holds('one audience, as text', payload.aud === audience);
    holds(
      'more than ten minutes are left, because the library keeps it for five',
      Number(payload.exp) * 1_000 - Date.now() > 600_000,
    );
    same('typ', protectedHeader.typ, 'JWT');
    return {
      status: 200,
      body: { token_type: 'Bearer', expires_in: 3_599, ext_expires_in: 3_599, access_token: `for ${payload.sub}` },
    };
  } catch (error) {
    const description = `AADSTS700212: No matching federated identity record found for presented assertion audience. ${String(error)}`;
    return {
      status: 400,
      body: {
        error: 'invalid_client',
        error_description: description,
        error_codes: [700212],
        trace_id: 't',
        correlation_id: 'c',
      },
    };
  }
}
