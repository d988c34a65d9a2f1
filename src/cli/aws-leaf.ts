import { type Command, Option } from 'commander';
import { checkDuration, checkSessionPrefix, parseRegion, parseRole } from '../cloud/aws.ts';
import { parseDuration } from '../runtime/duration.ts';
import type { AwsOptions } from './aws-source.ts';
import { type Answer, leaf, parsed } from './leaf.ts';
import { parsePort } from './number.ts';
import * as shapes from './shapes.ts';

/** What a session at AWS is made of, for every command that makes one. */
const awsFlags = (command: Command): Command =>
  command
    .requiredOption('--role-arn <arn>', 'the role to take', parsed(parseRole))
    .addOption(via())
    .option(
      '--audience <name>',
      'who the token is for: what the identity provider in the account lists',
      'sts.amazonaws.com',
    )
    .option('--spiffe-id <id>', 'only this identity, where the process has several')
    .option(
      '--region <region>',
      'where to ask (default: AWS_REGION, else the first of the partition)',
      parsed(parseRegion),
    )
    .option(
      '--sts-endpoint <url>',
      'who to ask instead (default: AWS_ENDPOINT_URL_STS or …_ROLESANYWHERE, else AWS in that region)',
    )
    .option('--ca-bundle <file>', 'certificates, PEM, to believe instead of the system’s (default: AWS_CA_BUNDLE)')
    .option(
      '--duration <duration>',
      'how long the session lasts: 15m to 12h (default: what AWS says, 1h)',
      parsed(seconds),
    )
    .option(
      '--session-name <name>',
      'how the session’s name begins; our record’s number follows',
      parsed(checkSessionPrefix),
      'mayfly',
    )
    .option('--trust-anchor-arn <arn>', 'with roles-anywhere: our root, as the account knows it')
    .option('--profile-arn <arn>', 'with roles-anywhere: the profile that names the role');

const seconds = (text: string): number => checkDuration(parseDuration(text));

const via = (): Option =>
  new Option('--via <way>', 'by JWT-SVID (web-identity) or by X.509-SVID (roles-anywhere)')
    .choices(['web-identity', 'roles-anywhere'])
    .default('web-identity');

export function awsLeaf(command: Command): void {
  leaf<[], AwsOptions>(awsFlags(command), {
    does: 'a session of a role at AWS, as `credential_process` has it',
    about:
      'The exchange is in the ledger before the credentials are printed, and the session’s name ends with its number. They ' +
      'outlive the SVID that they were obtained with, and revoking that does not end them: on stderr it says for how long.',
    prints: shapes.awsCredentials,
    examples: [
      'mayfly credentials aws --role-arn arn:aws:iam::123456789012:role/deploy',
      'aws configure set credential_process "mayfly credentials aws --role-arn arn:aws:iam::123456789012:role/deploy"',
    ],
    act: async (_, options) => (await import('./credentials-aws.ts')).awsCredentials(options),
  });
}

export function serveAwsLeaf(command: Command): void {
  awsFlags(command)
    .requiredOption('--token-file <file>', 'where to write the word that requests must carry; gone at the end')
    .option('--port <port>', 'on 127.0.0.1; 0: one that is free', parsed(parsePort), 0);
  leaf<[], AwsOptions & { tokenFile: string; port: number; json?: boolean }>(command, {
    does: 'serve a session of a role at AWS to programs of this user, as the container credentials endpoint',
    about:
      'Until SIGTERM or Ctrl-C. It prints the two variables by which every SDK of AWS finds it; who reads the file can use ' +
      'it. The session is renewed before it ends, and not served any more once this process is not owed its identity.',
    prints: shapes.awsServing,
    examples: [
      'mayfly credentials serve aws --role-arn arn:aws:iam::123456789012:role/deploy --token-file /run/app/aws.token',
    ],
    act: (_, options) => servingAws(options),
  });
}

async function* servingAws(options: AwsOptions & { tokenFile: string; port: number }): AsyncGenerator<Answer, void> {
  yield* (await import('./credentials-serve-aws.ts')).servingAws(options);
}
