/** What `mayfly env` serves to its program on this machine, while that runs. */
import { checkSessionPrefix, parseRole } from '../cloud/aws.ts';
import type { Given, Served } from '../cloud/plan.ts';
import { gcpAccount } from '../cloud/targets.ts';
import { stayAlive } from '../runtime/signals.ts';
import { terminal } from '../runtime/terminal.ts';
import type { AwsOptions } from './aws-source.ts';
import { explained } from './endpoint.ts';
import { failureOf } from './failure.ts';
import type { EndpointOptions } from './sockets.ts';
import { printable } from './text.ts';

export interface Serving extends AsyncDisposable {
  readonly variables: Readonly<Record<string, string>>;
}

/** Once it resolves, everything that the program may ask for is there. */
export async function startServing(
  served: readonly Served[],
  given: Given,
  options: EndpointOptions,
): Promise<Serving> {
  // Pauses between attempts hold nobody by themselves.
  using _alive = stayAlive();
  await using undo = new AsyncDisposableStack();
  const variables: Record<string, string> = {};
  for (const one of served) {
    const serving = await started(one, given, options).catch(async (error: unknown) => {
      throw await explained(error, options);
    });
    undo.use(serving);
    for (const warning of serving.warnings ?? []) terminal.err(printable(`warning: ${warning}\n`));
    Object.assign(variables, serving.variables);
  }
  const opened = undo.move();
  return { variables, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

async function started(
  { kind, file }: Served,
  given: Given,
  options: EndpointOptions,
): Promise<Serving & { readonly warnings?: readonly string[] }> {
  if (kind === 'aws') {
    const { serveAws } = await import('./aws-serve.ts');
    return serveAws({ options: awsOptions(given, options), wordFile: file, port: 0, failed: tell });
  }
  const { serveGcp } = await import('./gcp-serve.ts');
  const account = gcpAccount(given);
  const { tokenAudience } = account;
  return serveGcp({ account, tokenAudience, spiffeId: given.may('spiffe-id'), options, file, port: 0 });
}

/** The program goes on with what it has. */
const tell = (error: unknown): void => {
  const { message } = failureOf(error);
  terminal.err(printable(`warning: the session at AWS is not renewed: ${message}; trying again\n`));
};

function awsOptions(given: Given, { timeout, socket }: EndpointOptions): AwsOptions {
  const [spiffeId, region] = [given.may('spiffe-id'), given.may('aws-region')];
  const [trustAnchorArn, profileArn] = [given.may('aws-trust-anchor-arn'), given.may('aws-profile-arn')];
  const certified = trustAnchorArn !== undefined || profileArn !== undefined;
  return {
    ...{ timeout, ...(socket === undefined ? {} : { socket }) },
    roleArn: parseRole(given.need('aws-role-arn', 'AWS_ROLE_ARN')),
    via: certified ? 'roles-anywhere' : 'web-identity',
    audience: given.may('aws-audience') ?? 'sts.amazonaws.com',
    sessionName: checkSessionPrefix(given.may('aws-session-name') ?? 'mayfly'),
    ...(spiffeId === undefined ? {} : { spiffeId }),
    ...(region === undefined ? {} : { region }),
    ...(trustAnchorArn === undefined ? {} : { trustAnchorArn }),
    ...(profileArn === undefined ? {} : { profileArn }),
  };
}
