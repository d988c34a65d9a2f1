import { type Command, Option } from 'commander';
import { type ClientAuth, clientAuths, type Grant, grants } from '../cloud/oauth.ts';
import { endpointFlags } from './endpoint.ts';
import { leaf, repeated } from './leaf.ts';
import * as shapes from './shapes.ts';
import type { EndpointOptions } from './sockets.ts';

export interface ExchangeOptions extends EndpointOptions {
  readonly tokenEndpoint: string;
  readonly audience: string;
  readonly grant: Grant;
  readonly clientAuth: ClientAuth;
  readonly clientId?: string;
  readonly clientKey?: string;
  readonly forAudience?: string;
  readonly resource: readonly string[];
  readonly scope?: string;
  readonly requestedTokenType?: string;
  readonly caBundle?: string;
  readonly spiffeId?: string;
  readonly out?: string;
}

export function define(command: Command): void {
  endpointFlags(command)
    .requiredOption('--token-endpoint <url>', 'who exchanges: https, or http on this machine')
    .requiredOption('--audience <name>', 'who our own token is for: what the endpoint expects there, often its issuer')
    .addOption(
      new Option(
        '--grant <kind>',
        'what is asked: an exchange (RFC 8693), what a client is owed, or an assertion (RFC 7523)',
      )
        .choices(grants)
        .default('token-exchange'),
    )
    .addOption(
      new Option('--client-auth <way>', 'how the client proves itself, where it has to')
        .choices(clientAuths)
        .default('none'),
    )
    .option('--client-id <id>', 'which client we are (default with jwt-spiffe and tls: our SPIFFE ID)')
    .option('--client-key <file>', 'private-key-jwt: a key that the server knows, instead of the SVID’s: PEM or a JWK')
    .option('--for-audience <name>', 'who the new token is for: `audience` of the request')
    .addOption(repeated('--resource <url>', 'where the new token will be used'))
    .option('--scope <scopes>', 'what for, separated by spaces')
    .option('--requested-token-type <urn>', 'what kind of token it is to be')
    .option('--ca-bundle <file>', 'certificates, PEM, to believe instead of the system’s')
    .option('--spiffe-id <id>', 'only this identity, where the process has several')
    .option('--out <file>', 'write the new token there: whole or not at all, mode 0600, without a line feed');
  leaf<[], ExchangeOptions>(command, {
    does: 'exchange an SVID of this process for a token of an OAuth 2.0 server',
    about:
      'The exchange is in the ledger before the new token is printed. jwt-spiffe and jwt-bearer show the JWT-SVID, ' +
      'private-key-jwt signs with the key of the X.509-SVID, or with one that the server knows (`mayfly config client-key`), tls shows the X.509-SVID. Redirects are not followed; what is ' +
      'slow, endless or a web page is refused; what fails in passing is tried three times.',
    prints: shapes.exchanged,
    examples: [
      'mayfly exchange --token-endpoint https://login.example.org/token --audience https://login.example.org --scope reports',
      'mayfly exchange --token-endpoint https://login.example.org/token --audience https://login.example.org \\\n' +
        '  --grant client-credentials --client-auth jwt-spiffe --out /run/app/access.token',
    ],
    act: async (_, options) => (await import('./exchange-run.ts')).exchange(options),
  });
}
