import { type Command, Option } from 'commander';
import { parseServiceAccount } from '../cloud/gcp.ts';
import { adminLeaf } from './admin-leaf.ts';
import { parsed } from './leaf.ts';
import * as shapes from './shapes.ts';
import type { AzureOptions, GcpOptions, KubernetesOptions, VaultOptions } from './trust-policy-run.ts';

const run = () => import('./trust-policy-run.ts');

const entry = (command: Command): Command => command.requiredOption('--entry <id>', 'the entry, or its SPIFFE ID');

export function gcpTrustPolicyLeaf(command: Command): void {
  entry(command)
    .requiredOption('--project-number <number>', 'the project with the pool: its number, not its name')
    .option('--pool <name>', 'the workload identity pool', 'mayfly')
    .option('--provider <name>', 'the provider in it', 'mayfly')
    .option(
      '--service-account <email>',
      'whom to impersonate (default: the workload itself is the principal)',
      parsed(parseServiceAccount),
    );
  adminLeaf<[], GcpOptions>(command, {
    does: 'the commands by which Google Cloud takes one identity of ours, and no other',
    prints: shapes.trustPolicy,
    examples: ['mayfly trust-policy gcp --entry spiffe://example.org/web --project-number 123456789012'],
    ask: async (admin, _, options) => (await run()).gcp(admin, options),
  });
}

export function azureTrustPolicyLeaf(command: Command): void {
  entry(command)
    .option('--application <id>', 'the application that the workload is at Entra', 'APPLICATION_ID')
    .option('--managed-identity <name>', 'a user-assigned managed identity instead')
    .option('--audience <name>', 'who the token is for', 'api://AzureADTokenExchange');
  adminLeaf<[], AzureOptions>(command, {
    does: 'the federated credential by which Entra takes one identity of ours, and no other',
    about:
      'Entra takes RS256 alone; the preset `azure` signs its tokens so. A new credential is known everywhere after minutes.',
    prints: shapes.trustPolicy,
    examples: [
      'mayfly trust-policy azure --entry spiffe://example.org/web --application 00000000-0000-0000-0000-000000000000',
    ],
    ask: async (admin, _, options) => (await run()).azure(admin, options),
  });
}

export function kubernetesTrustPolicyLeaf(command: Command): void {
  entry(command)
    .requiredOption('--audience <name>', 'who the token is for: a name for this cluster')
    .option('--role <name>', 'the cluster role that the user gets', 'view')
    .option('--namespace <name>', 'in this namespace only')
    .option('--prefix <text>', 'before the SPIFFE ID in the user’s name', 'mayfly:')
    .addOption(
      new Option('--form <form>', 'a file for --authentication-config, or flags of older servers')
        .choices(['file', 'flags'])
        .default('file'),
    );
  adminLeaf<[], KubernetesOptions>(command, {
    does: 'how a Kubernetes API server takes our tokens, and what one identity of ours may there',
    prints: shapes.trustPolicy,
    examples: [
      'mayfly trust-policy kubernetes --entry spiffe://example.org/web --audience https://cluster.example.org --role view',
    ],
    ask: async (admin, _, options) => (await run()).kubernetes(admin, options),
  });
}

export function vaultTrustPolicyLeaf(command: Command): void {
  entry(command)
    .option('--audience <name>', 'who the token is for', 'vault')
    .option('--policies <names>', 'what the workload may, separated by commas', 'default')
    .addOption(new Option('--by <way>', 'by JWT-SVID or by X.509-SVID').choices(['jwt', 'certificate']).default('jwt'));
  adminLeaf<[], VaultOptions>(command, {
    does: 'the commands by which Vault or OpenBao takes one identity of ours, and no other',
    prints: shapes.trustPolicy,
    examples: ['mayfly trust-policy vault --entry spiffe://example.org/web --policies app'],
    ask: async (admin, _, options) => (await run()).vault(admin, options),
  });
}
