import type { Command } from 'commander';
import type { GcpOptions } from './credentials-gcp.ts';
import { leaf } from './leaf.ts';
import * as shapes from './shapes.ts';

export function gcpLeaf(command: Command): void {
  command
    .option('--audience <name>', 'who the token is for (default: https: and the provider that the library names)')
    .option('--spiffe-id <id>', 'only this identity, where the process has several');
  leaf<[], GcpOptions>(command, {
    does: 'a token for Google Cloud, as its libraries’ executable source has it',
    about:
      'Run by Google’s libraries where GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES is 1; `mayfly config gcp --source executable` ' +
      'writes the file that names it. A refusal is an answer as well, with exit code 0 and nothing on stderr, as the ' +
      'protocol wants it. What is attested is this command, which the library has started.',
    prints: shapes.gcpExecutable,
    examples: [
      'mayfly credentials gcp --audience https://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/mayfly',
    ],
    act: async (_, options) => (await import('./credentials-gcp.ts')).gcpCredentials(options),
  });
}
