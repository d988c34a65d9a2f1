import type { Command } from 'commander';
import { endpointFlags } from './endpoint.ts';
import { type Answer, leaf, repeated } from './leaf.ts';
import * as shapes from './shapes.ts';
import type { EndpointOptions } from './sockets.ts';

interface X509Options extends EndpointOptions {
  readonly write?: string;
  readonly watch?: boolean;
}

export function define(fetch: Command): void {
  x509(endpointFlags(fetch.command('x509')));
  jwt(endpointFlags(fetch.command('jwt')));
  bundles(endpointFlags(fetch.command('bundles')));
  validate(endpointFlags(fetch.command('validate <token>')));
}

function x509(command: Command): void {
  command
    .option('--write <directory>', 'write the first SVID: svid.pem (leaf first), key.pem (mode 0600), bundle.pem')
    .option('--watch', 'go on, and answer again on every change; waits for an identity that is not there yet');
  leaf<[], X509Options>(command, {
    does: "get this process's X.509-SVIDs",
    about:
      'The private key is never printed: --write is the way to have it. Each file is replaced whole, the certificate ' +
      'last. With --watch and --json there is one document a line.',
    prints: shapes.x509Context,
    examples: ['mayfly fetch x509 --write /run/web/tls', 'mayfly fetch x509 --watch'],
    act: (_, options) => (options.watch === true ? watching(options) : once(options)),
  });
}

const once = async (options: X509Options): Promise<Answer> => (await import('./fetch-x509.ts')).fetchX509(options);

async function* watching(options: X509Options): AsyncGenerator<Answer, void> {
  yield* (await import('./fetch-x509.ts')).watchX509(options);
}

function jwt(command: Command): void {
  command.addOption(repeated('--audience <name>', 'who the token is for').default(undefined).makeOptionMandatory());
  command.option('--spiffe-id <id>', 'only this identity, where the process has several');
  leaf<[], EndpointOptions & { audience: readonly string[]; spiffeId?: string }>(command, {
    does: 'get a JWT-SVID of this process: the bare token',
    prints: shapes.jwtSvids,
    examples: [
      'curl -H "Authorization: Bearer $(mayfly fetch jwt --audience api.example.org)" https://api.example.org',
    ],
    act: async (_, options) => (await import('./fetch-jwt.ts')).fetchJwt(options),
  });
}

function bundles(command: Command): void {
  leaf<[], EndpointOptions>(command, {
    does: 'get the bundles by which this process may judge others',
    prints: shapes.bundles,
    act: async (_, options) => (await import('./fetch-bundles.ts')).fetchBundles(options),
  });
}

function validate(command: Command): void {
  command.requiredOption('--audience <name>', 'who the token must be for');
  leaf<[token: string], EndpointOptions & { audience: string }>(command, {
    does: 'let the Workload API judge a JWT-SVID',
    about: 'A token of - is read from standard input, where `ps` does not show it.',
    prints: shapes.validatedJwt,
    examples: ['mayfly fetch validate --audience api.example.org - < token'],
    act: async ([token], options) => (await import('./fetch-jwt.ts')).validateJwt(token, options),
  });
}
