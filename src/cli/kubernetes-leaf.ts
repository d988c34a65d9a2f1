import { type Command, Option } from 'commander';
import { execVersions } from '../cloud/kubernetes.ts';
import type { KubernetesOptions } from './credentials-kubernetes.ts';
import { leaf } from './leaf.ts';
import * as shapes from './shapes.ts';

export function kubernetesLeaf(command: Command): void {
  command
    .option('--audience <name>', 'a token, for the API server that takes it for this audience')
    .option('--client-certificate', 'the X.509-SVID and its key instead')
    .addOption(
      new Option(
        '--api-version <version>',
        'of the answer (default: what KUBERNETES_EXEC_INFO asks for, else v1)',
      ).choices(execVersions),
    )
    .option('--spiffe-id <id>', 'only this identity, where the process has several');
  leaf<[], KubernetesOptions>(command, {
    does: 'who this process is at a Kubernetes API server, as an exec plugin says it',
    about:
      'kubectl and client libraries run it by the `exec` of a user in their kubeconfig. What is attested is this command.',
    prints: shapes.execCredential,
    examples: ['mayfly credentials kubernetes --audience https://cluster.example.org'],
    act: async (_, options) => (await import('./credentials-kubernetes.ts')).kubernetesCredentials(options),
  });
}
