import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { IdentityError } from '../errors.ts';
import { type Answer, leaf } from './leaf.ts';
import * as shapes from './shapes.ts';

export function configClientKey(command: Command): void {
  command
    .argument('<file>', 'the private key: PEM or a JWK, mode 0600')
    .option('--create', 'make it first: P-256; a file that is there is not touched');
  leaf<[file: string], { readonly create?: boolean }>(command, {
    does: 'the public half of a key, as an authorisation server registers it for a client: a JWK set',
    about:
      'For `mayfly exchange --client-auth private-key-jwt --client-key`, where a server knows its clients by a list of keys. ' +
      'The key stays until it is replaced: where the server takes a certificate (tls) or a JWT-SVID (jwt-spiffe), there is ' +
      'none to be kept.',
    prints: shapes.jwks,
    examples: ['mayfly config client-key /etc/app/client.key --create > jwks.json'],
    act: async ([file], { create }): Promise<Answer> => {
      const path = resolve(file);
      if (create === true) await write(path);
      const { publicKeys } = await import('../cloud/client-key.ts');
      const document = await publicKeys(await clientKeyIn(path));
      return { document, text: `${JSON.stringify(document, undefined, 2)}\n` };
    },
  });
}

/** Refuses a file that others can read. */
export async function clientKeyIn(path: string) {
  const { longestKeyFile, readClientKey } = await import('../cloud/client-key.ts');
  const { readPrivateFile } = await import('../runtime/files.ts');
  return readClientKey(readPrivateFile(path, longestKeyFile).toString('utf8'), path);
}

async function write(path: string): Promise<void> {
  if (existsSync(path)) {
    throw new IdentityError('already-exists', `${path} is there already: whoever registered its key would not know us`);
  }
  const { newClientKey } = await import('../cloud/client-key.ts');
  const { writeFileAtomic } = await import('../runtime/files.ts');
  writeFileAtomic(path, newClientKey(), { mode: 0o600 });
}
