/** What the programs of others need in order to be somebody: variables, and files that they name. */
import { join } from 'node:path';
import { IdentityError } from '../errors.ts';
import { launcherPath } from '../runtime/launcher.ts';
import { audienceOf, externalAccount, parseProvider, parseServiceAccount } from './gcp.ts';
import { kubeconfig } from './kubernetes.ts';
import type { Given, Plan } from './plan.ts';
import type { ProjectedCertificate, ProjectedToken } from './projection.ts';

export const targetNames = [
  'aws',
  'gcp',
  'azure',
  'kubernetes',
  'vault',
  'postgres',
  'anthropic',
  'databricks',
] as const;
export type TargetName = (typeof targetNames)[number];

type Target = (directory: string, given: Given) => Plan;

const token = (directory: string, name: string, audience: string): ProjectedToken => ({
  ...{ audience, file: join(directory, `${name}.token`), mode: 0o600 },
});

const certificate = (directory: string, name: string): ProjectedCertificate & { readonly bundle: string } => ({
  certificate: join(directory, `${name}.crt`),
  key: join(directory, `${name}.key`),
  bundle: join(directory, `${name}.ca.crt`),
  ...{ mode: 0o600, keyFormat: 'pkcs8', bundles: 'own' },
});

const aws: Target = (directory, given) => {
  const region = given.may('aws-region', 'AWS_REGION');
  const where = region === undefined ? {} : { AWS_REGION: region };
  const way = given.may('aws-via') ?? 'token-file';
  if (way === 'endpoint') {
    const serves = [{ kind: 'aws' as const, file: join(directory, 'aws.word') }];
    return { serves, variables: where, without: [...awsOthers, ...awsTokenFile] };
  }
  if (way !== 'token-file') {
    throw new IdentityError('invalid-argument', `'${way}' is not a way to AWS: token-file, endpoint`);
  }
  const one = token(directory, 'aws', given.may('aws-audience') ?? 'sts.amazonaws.com');
  return {
    tokens: [one],
    variables: { AWS_WEB_IDENTITY_TOKEN_FILE: one.file, ...awsRole(given), ...where },
    without: [...awsOthers, 'AWS_CONTAINER_CREDENTIALS_FULL_URI'],
  };
};

/** Each of these comes before any of our ways. */
const awsOthers = [
  ...['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_PROFILE', 'AWS_DEFAULT_PROFILE'],
  ...['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI', 'AWS_CONTAINER_AUTHORIZATION_TOKEN'],
];
/** SDKs look for a token in a file before they ask an endpoint. */
const awsTokenFile = ['AWS_WEB_IDENTITY_TOKEN_FILE', 'AWS_ROLE_ARN', 'AWS_ROLE_SESSION_NAME'];

function awsRole(given: Given): Readonly<Record<string, string>> {
  const role = checked(
    given.need('aws-role-arn', 'AWS_ROLE_ARN'),
    /^arn:aws[\w-]*:iam::\d{12}:role\/.+$|^arn:aws:iam:::role\/.+$/,
    'a role: arn:aws:iam::123456789012:role/NAME',
  );
  const session = given.may('aws-session-name', 'AWS_ROLE_SESSION_NAME');
  if (session === undefined) return { AWS_ROLE_ARN: role };
  const what = 'a session name: 2 to 64 of a-z A-Z 0-9 _ + = , . @ -';
  return { AWS_ROLE_ARN: role, AWS_ROLE_SESSION_NAME: checked(session, /^[\w+=,.@-]{2,64}$/, what) };
}

const gcp: Target = (directory, given) => {
  const project = given.may('gcp-project', 'GOOGLE_CLOUD_PROJECT');
  const path = join(directory, 'gcp.json');
  const variables = {
    GOOGLE_APPLICATION_CREDENTIALS: path,
    ...(project === undefined ? {} : { GOOGLE_CLOUD_PROJECT: project }),
  };
  const without = ['GOOGLE_API_KEY'];
  const account = gcpAccount(given);
  const source = given.may('gcp-source') ?? 'file';
  if (source === 'url') return { serves: [{ kind: 'gcp' as const, file: path }], variables, without };
  if (source !== 'file') throw new IdentityError('invalid-argument', `'${source}' is not a source here: file, url`);
  const one = token(directory, 'gcp', account.tokenAudience);
  const document = externalAccount({ ...account, source: { kind: 'file', file: one.file } });
  return { tokens: [one], documents: [{ path, document }], variables, without };
};

/** Who somebody is to Google, wherever the token comes from. */
export function gcpAccount(given: Given) {
  const provider = parseProvider(given.need('gcp-provider'));
  const account = given.may('gcp-service-account');
  return {
    provider,
    serviceAccount: account === undefined ? undefined : parseServiceAccount(account),
    tokenUrl: given.may('gcp-token-url'),
    tokenAudience: given.may('gcp-audience') ?? audienceOf(provider),
  };
}

const azure: Target = (directory, given) => {
  const one = token(directory, 'azure', given.may('azure-audience') ?? 'api://AzureADTokenExchange');
  return {
    tokens: [one],
    variables: {
      AZURE_FEDERATED_TOKEN_FILE: one.file,
      AZURE_CLIENT_ID: given.need('azure-client-id', 'AZURE_CLIENT_ID'),
      AZURE_TENANT_ID: given.need('azure-tenant-id', 'AZURE_TENANT_ID'),
      AZURE_AUTHORITY_HOST:
        given.may('azure-authority-host', 'AZURE_AUTHORITY_HOST') ?? 'https://login.microsoftonline.com/',
      AZURE_TOKEN_CREDENTIALS: 'WorkloadIdentityCredential',
    },
    without: ['AZURE_CLIENT_SECRET', 'AZURE_CLIENT_CERTIFICATE_PATH', 'AZURE_USERNAME', 'AZURE_PASSWORD'],
  };
};

/** A command of ours in the place of a file: not every client reads one. It is attested by itself. */
const kubernetes: Target = (directory, given) => {
  const path = join(directory, 'kubeconfig');
  const audience = given.need('kubernetes-audience');
  const spiffeId = given.may('spiffe-id');
  const document = kubeconfig({
    server: given.need('kubernetes-server'),
    certificateAuthority: given.may('kubernetes-ca'),
    namespace: given.may('kubernetes-namespace'),
    command: [
      ...[launcherPath(), 'credentials', 'kubernetes', '--api-version=v1', `--audience=${audience}`],
      ...(spiffeId === undefined ? [] : [`--spiffe-id=${spiffeId}`]),
    ],
  });
  return { audiences: [audience], documents: [{ path, document }], variables: { KUBECONFIG: path }, without: [] };
};

const vault: Target = (directory, given) => {
  const one = certificate(directory, 'vault');
  const variables = { VAULT_CLIENT_CERT: one.certificate, VAULT_CLIENT_KEY: one.key };
  const [address, ca] = [given.may('vault-address', 'VAULT_ADDR'), given.may('vault-ca', 'VAULT_CACERT')];
  return {
    certificates: [one],
    variables: {
      ...variables,
      ...(address === undefined ? {} : { VAULT_ADDR: address }),
      ...(ca === undefined ? {} : { VAULT_CACERT: ca }),
    },
    without: ['VAULT_TOKEN'],
  };
};

const postgres: Target = (directory, given) => {
  const one = certificate(directory, 'postgres');
  return {
    certificates: [one],
    variables: {
      PGSSLCERT: one.certificate,
      PGSSLKEY: one.key,
      PGSSLROOTCERT: given.may('postgres-ca') ?? one.bundle,
      PGSSLMODE: 'verify-full',
    },
    without: ['PGPASSWORD', 'PGPASSFILE'],
  };
};

const anthropic: Target = (directory, given) => {
  const one = token(directory, 'anthropic', given.may('anthropic-audience') ?? 'https://api.anthropic.com');
  return {
    tokens: [one],
    variables: {
      ANTHROPIC_IDENTITY_TOKEN_FILE: one.file,
      ANTHROPIC_FEDERATION_RULE_ID: given.need('anthropic-rule', 'ANTHROPIC_FEDERATION_RULE_ID'),
      ANTHROPIC_ORGANIZATION_ID: given.need('anthropic-organization', 'ANTHROPIC_ORGANIZATION_ID'),
    },
    without: ['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN'],
  };
};

const databricks: Target = (directory, given) => {
  const one = token(directory, 'databricks', given.need('databricks-audience'));
  return {
    tokens: [one],
    variables: {
      DATABRICKS_AUTH_TYPE: 'file-oidc',
      DATABRICKS_OIDC_TOKEN_FILEPATH: one.file,
      DATABRICKS_HOST: given.need('databricks-host', 'DATABRICKS_HOST'),
      DATABRICKS_CLIENT_ID: given.need('databricks-client-id', 'DATABRICKS_CLIENT_ID'),
    },
    without: ['DATABRICKS_TOKEN', 'DATABRICKS_CLIENT_SECRET', 'DATABRICKS_CONFIG_PROFILE'],
  };
};

const targets: Readonly<Record<TargetName, Target>> = {
  aws,
  gcp,
  azure,
  kubernetes,
  vault,
  postgres,
  anthropic,
  databricks,
};

/** One plan for all of them. @throws IdentityError where an option is missing or wrong */
export function planFor(names: readonly TargetName[], directory: string, given: Given): Required<Plan> {
  const plans = [...new Set(names)].map((name) => targets[name](directory, given));
  return {
    tokens: plans.flatMap(({ tokens = [] }) => tokens),
    certificates: plans.flatMap(({ certificates = [] }) => certificates),
    audiences: plans.flatMap(({ audiences = [] }) => audiences),
    serves: plans.flatMap(({ serves = [] }) => serves),
    documents: plans.flatMap(({ documents = [] }) => documents),
    variables: Object.assign({}, ...plans.map(({ variables }) => variables)),
    without: plans.flatMap(({ without }) => without),
  };
}

function checked(text: string, shape: RegExp, what: string): string {
  if (shape.test(text)) return text;
  throw new IdentityError('invalid-argument', `'${text}' is not ${what}`);
}
