import type { Command } from 'commander';
import { parseProvider, parseServiceAccount } from '../cloud/gcp.ts';
import type { GcpOptions } from './credentials-gcp.ts';
import type { GcpServeOptions } from './credentials-serve-gcp.ts';
import { type Answer, leaf, parsed } from './leaf.ts';
import { parsePort } from './number.ts';
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

export function serveGcpLeaf(command: Command): void {
  const provider = 'projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER';
  command
    .requiredOption('--provider <name>', provider, parsed(parseProvider))
    .requiredOption('--out <file>', 'the file for GOOGLE_APPLICATION_CREDENTIALS: mode 0600; gone at the end')
    .option('--audience <name>', 'who the token is for (default: https: and the provider)')
    .option('--service-account <email>', 'whose token it is in the end', parsed(parseServiceAccount))
    .option('--token-url <url>', 'who exchanges instead of Google')
    .option('--spiffe-id <id>', 'only this identity, where the process has several')
    .option('--port <port>', 'on 127.0.0.1; 0: one that is free', parsed(parsePort), 0);
  leaf<[], GcpServeOptions>(command, {
    does: 'serve tokens for Google Cloud to programs of this user, as its libraries’ URL source has it',
    about:
      'Until SIGTERM or Ctrl-C. The file names the URL and holds the word that requests must carry: who reads it can have ' +
      'the tokens. Each is asked for anew, so none is served any more once this process is not owed its identity.',
    prints: shapes.gcpServing,
    examples: [
      'mayfly credentials serve gcp --provider projects/1/locations/global/workloadIdentityPools/pool/providers/mayfly \\\n' +
        '  --out /run/app/gcp.json',
    ],
    act: (_, options) => servingGcp(options),
  });
}

async function* servingGcp(options: GcpServeOptions): AsyncGenerator<Answer, void> {
  yield* (await import('./credentials-serve-gcp.ts')).servingGcp(options);
}
