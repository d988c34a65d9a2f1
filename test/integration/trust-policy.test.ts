/** What `mayfly trust-policy` prints is what a shell and a YAML reader take from it, pinned to one subject. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import * as shapes from '../../src/cli/shapes.ts';
import { faults } from '../fakes/conforms.ts';
import { type Mayfly, startMayfly } from './fixture.ts';

const id = 'spiffe://example.org/team/web';
const issuer = 'https://id.example.org';
let mayfly: Mayfly;
let entryId: string;

beforeAll(async () => {
  mayfly = await startMayfly({ flags: ['--issuer', issuer] });
  const entry = await mayfly.operator.create({
    spiffeId: id,
    selectors: ['unix:uid:4711'],
    audiences: ['k8s', 'vault', 'api://AzureADTokenExchange', 'https://iam.googleapis.com/*'],
  });
  entryId = entry.id;
}, 60_000);
afterAll(() => mayfly[Symbol.asyncDispose]());

async function policy(target: string, ...words: string[]): Promise<{ text: string; warnings: string }> {
  const asked = ['trust-policy', target, '--entry', id, ...words];
  const { status, stdout, stderr } = await mayfly.command(...asked);
  expect({ status, stderr }).toMatchObject({ status: 0 });
  const document = JSON.parse((await mayfly.command(...asked, '--json')).stdout);
  expect(faults(document, shapes.trustPolicy)).toEqual([]);
  expect(document).toMatchObject({ entryId, spiffeId: id, policy: stdout });
  return { text: stdout, warnings: stderr };
}

/** What each program would be given, by a real shell. */
function typed(text: string): string[][] {
  const recorder = ['gcloud', 'az', 'vault', 'mayfly']
    .map((name) => `${name}() { printf '%s\\0' ${name} "$@"; printf '\\n\\0'; }`)
    .join('\n');
  const said = execFileSync('sh', ['-ec', `${recorder}\n${text.replaceAll('> bundle.pem', '')}`], { encoding: 'utf8' });
  return said
    .split('\n\0')
    .filter(Boolean)
    .map((one) => one.split('\0').filter(Boolean));
}

describe('mayfly trust-policy gcp', () => {
  it('makes a pool, a provider that takes one subject, and its principal', async () => {
    const { text, warnings } = await policy('gcp', '--project-number', '123456');
    const [pool, provider, binding] = typed(text);
    expect(pool?.slice(0, 5)).toEqual(['gcloud', 'iam', 'workload-identity-pools', 'create', 'mayfly']);
    expect(provider).toEqual([
      ...[
        'gcloud',
        'iam',
        'workload-identity-pools',
        'providers',
        'create-oidc',
        'mayfly',
        '--location=global',
        '--workload-identity-pool=mayfly',
      ],
      `--issuer-uri=${issuer}`,
      '--attribute-mapping=google.subject=assertion.sub,attribute.spiffe_id=assertion.sub',
      `--attribute-condition=assertion.sub == '${id}'`,
    ]);
    const root = 'iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/mayfly';
    expect(binding).toContain(`--member=principal://${root}/subject/${id}`);
    expect(warnings).toBe('');
  });

  it('binds a service account, and names a longer SPIFFE ID by an attribute', async () => {
    const { text } = await policy(
      'gcp',
      '--project-number',
      '123456',
      '--service-account',
      'app@p.iam.gserviceaccount.com',
    );
    expect(typed(text)[2]).toEqual(
      expect.arrayContaining(['app@p.iam.gserviceaccount.com', '--role=roles/iam.workloadIdentityUser']),
    );
    const long = `spiffe://example.org/${'a'.repeat(120)}`;
    await mayfly.operator.create({
      spiffeId: long,
      selectors: ['unix:uid:4712'],
      audiences: ['https://iam.googleapis.com/*'],
    });
    const { stdout, stderr } = await mayfly.command(
      'trust-policy',
      'gcp',
      '--entry',
      long,
      '--project-number',
      '123456',
    );
    expect(stdout).toContain(`/attribute.spiffe_id/${long}`);
    expect(stderr).toContain('longer than the 127 bytes of google.subject');
  });
});

describe('mayfly trust-policy azure', () => {
  it('is one federated credential: issuer, subject and audience, exact', async () => {
    const { text } = await policy('azure', '--application', 'a-b-c');
    const [az = []] = typed(text);
    expect(az.slice(0, 6)).toEqual(['az', 'ad', 'app', 'federated-credential', 'create', '--id']);
    expect(JSON.parse(az.at(-1) ?? '')).toEqual({
      name: 'web',
      issuer,
      subject: id,
      audiences: ['api://AzureADTokenExchange'],
    });
  });

  it('is that of a managed identity where one is named', async () => {
    const { text } = await policy('azure', '--managed-identity', 'app');
    expect(typed(text)[0]).toEqual(
      expect.arrayContaining(['--identity-name', 'app', '--issuer', issuer, '--subject', id]),
    );
  });
});

describe('mayfly trust-policy kubernetes', () => {
  it('is a configuration for the server and a binding for the user', async () => {
    const { text } = await policy('kubernetes', '--audience', 'k8s', '--namespace', 'apps', '--role', 'edit');
    const [configuration, binding] = parseAllDocuments(text).map((document) => document.toJS());
    expect(configuration).toEqual({
      apiVersion: 'apiserver.config.k8s.io/v1',
      kind: 'AuthenticationConfiguration',
      jwt: [
        {
          issuer: { url: issuer, audiences: ['k8s'], audienceMatchPolicy: 'MatchAny' },
          claimMappings: { username: { claim: 'sub', prefix: 'mayfly:' } },
        },
      ],
    });
    expect(binding).toMatchObject({
      kind: 'RoleBinding',
      metadata: { name: 'web', namespace: 'apps' },
      subjects: [{ kind: 'User', name: `mayfly:${id}` }],
      roleRef: { kind: 'ClusterRole', name: 'edit' },
    });
  });

  it('is flags for an older server, with the algorithm that it would otherwise not take', async () => {
    const { text, warnings } = await policy('kubernetes', '--audience', 'other', '--form', 'flags');
    expect(text).toContain(`--oidc-issuer-url=${issuer}\n#   --oidc-client-id=other\n`);
    expect(text).toContain('--oidc-signing-algs=ES256');
    expect(warnings).toContain(
      `the entry has no audience other: \`mayfly entry update ${entryId} --audience other\` adds one`,
    );
  });
});

describe('mayfly trust-policy vault', () => {
  it('is a role for one subject, with issuer and algorithm pinned', async () => {
    const [, config, role] = typed((await policy('vault', '--policies', 'app')).text);
    expect(config).toEqual([
      'vault',
      'write',
      'auth/jwt/config',
      `oidc_discovery_url=${issuer}`,
      `bound_issuer=${issuer}`,
      'jwt_supported_algs=ES256',
    ]);
    expect(role).toEqual([
      ...[
        'vault',
        'write',
        'auth/jwt/role/web',
        'role_type=jwt',
        'user_claim=sub',
        'bound_audiences=vault',
        `bound_subject=${id}`,
      ],
      ...['token_policies=app', 'token_ttl=10m', 'token_max_ttl=1h'],
    ]);
  });

  it('is a certificate role by the URI, and says that it wants a common name', async () => {
    const { text, warnings } = await policy('vault', '--by', 'certificate');
    expect(typed(text).at(-1)).toContain(`allowed_uri_sans=${id}`);
    expect(warnings).toContain('refuses one without: give the entry a --subject');
  });
});

describe('bad input', () => {
  it('an entry that is not there is told of', async () => {
    const missing = await mayfly.command('trust-policy', 'vault', '--entry', 'spiffe://example.org/none');
    expect(missing).toMatchObject({
      status: 4,
      stderr: expect.stringContaining('there is no entry for spiffe://example.org/none'),
    });
  });
});
