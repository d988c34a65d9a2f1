import { Argument, type Command } from 'commander';
import { targetNames } from '../cloud/targets.ts';
import { endpointFlags } from './endpoint.ts';
import { leaf } from './leaf.ts';
import * as shapes from './shapes.ts';
import type { EndpointOptions } from './sockets.ts';

export interface EnvOptions extends EndpointOptions {
  readonly spiffeId?: string;
}

/** By target: option, what it is, and the variable that may say it instead. */
const options: readonly (readonly [flag: string, does: string])[] = [
  ['--aws-role-arn <arn>', 'aws: the role to take (default: AWS_ROLE_ARN)'],
  [
    '--aws-via <way>',
    'aws: token-file, which the SDK exchanges, or endpoint, which has the session (default: token-file)',
  ],
  ['--aws-trust-anchor-arn <arn>', 'aws, endpoint: with the profile: by certificate, through Roles Anywhere'],
  ['--aws-profile-arn <arn>', 'aws, endpoint: the profile of Roles Anywhere that names the role'],
  ['--aws-session-name <name>', 'aws: how the session is called there (default: from the SPIFFE ID)'],
  ['--aws-region <region>', 'aws: where (default: AWS_REGION)'],
  ['--aws-audience <name>', 'aws: who the token is for (default: sts.amazonaws.com)'],
  ['--gcp-provider <name>', 'gcp: projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER'],
  ['--gcp-source <kind>', 'gcp: where the libraries get tokens: file, or url, an endpoint of ours (default: file)'],
  ['--gcp-service-account <email>', 'gcp: whom to impersonate'],
  ['--gcp-project <name>', 'gcp: the project to work in (default: GOOGLE_CLOUD_PROJECT)'],
  ['--gcp-audience <name>', 'gcp: who the token is for (default: https: and the provider)'],
  ['--gcp-token-url <url>', 'gcp: who exchanges instead of Google'],
  ['--azure-client-id <id>', 'azure: the application or managed identity (default: AZURE_CLIENT_ID)'],
  ['--azure-tenant-id <id>', 'azure: its tenant (default: AZURE_TENANT_ID)'],
  ['--azure-authority-host <url>', 'azure: of another cloud than the public one'],
  ['--azure-audience <name>', 'azure: who the token is for (default: api://AzureADTokenExchange)'],
  ['--kubernetes-server <url>', 'kubernetes: the API server'],
  ['--kubernetes-audience <name>', 'kubernetes: who the token is for: an audience that the server takes'],
  ['--kubernetes-ca <file>', 'kubernetes: certificates to believe for the server'],
  ['--kubernetes-namespace <name>', 'kubernetes: where to work'],
  ['--vault-address <url>', 'vault: where it is (default: VAULT_ADDR)'],
  ['--vault-ca <file>', 'vault: certificates to believe for it (default: VAULT_CACERT)'],
  ['--postgres-ca <file>', 'postgres: certificates to believe for the server (default: those of our trust domain)'],
  ['--anthropic-rule <id>', 'anthropic: the federation rule (default: ANTHROPIC_FEDERATION_RULE_ID)'],
  ['--anthropic-organization <id>', 'anthropic: the organisation (default: ANTHROPIC_ORGANIZATION_ID)'],
  ['--anthropic-audience <name>', 'anthropic: who the token is for (default: https://api.anthropic.com)'],
  ['--databricks-host <url>', 'databricks: the workspace (default: DATABRICKS_HOST)'],
  ['--databricks-client-id <id>', 'databricks: the service principal (default: DATABRICKS_CLIENT_ID)'],
  ['--databricks-audience <name>', 'databricks: who the token is for: the account’s id'],
];

export function define(command: Command): void {
  endpointFlags(command)
    .addArgument(targets())
    .option('--spiffe-id <id>', 'only this identity, where the process has several');
  for (const [flag, does] of options) command.option(flag, does);
  leaf<[words: readonly string[]], EnvOptions>(command, {
    does: 'run a program as somebody: with the variables and files by which its libraries find this identity',
    about:
      'The files lie in a directory that only this user can enter, stay fresh while the program runs, and are gone when it ' +
      'ends. Signals are passed on to it, its exit code is ours. Variables that would give it another identity at the same ' +
      'place are left out. What is attested is `mayfly env`, the parent, by its user and its own path; the program has what ' +
      'its parent has.',
    prints: shapes.nothing,
    examples: [
      'mayfly env aws --aws-role-arn arn:aws:iam::123456789012:role/deploy -- aws s3 ls',
      'mayfly env aws --aws-via endpoint --aws-role-arn arn:aws:iam::123456789012:role/deploy -- ./backup.sh',
      'mayfly env azure kubernetes --kubernetes-server https://k8s:6443 --kubernetes-audience k8s -- ./deploy.sh',
    ],
    act: async ([words], given): Promise<undefined> => {
      await (await import('./env-run.ts')).runEnv(words, given);
    },
  });
}

/** The program after -- comes with them; which of them it is, is told by where the -- stands. */
const targets = (): Argument =>
  new Argument('<target...>', 'who the program will talk to; then --, and the program')
    .choices(targetNames)
    .argParser((text: string, before: readonly string[] = []) => [...before, text]);
