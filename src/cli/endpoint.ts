import { type Command, Option } from 'commander';
import { IdentityError } from '../errors.ts';
import { defaultSockets } from '../runtime/defaults.ts';
import { parseDuration } from '../runtime/duration.ts';
import { stayAlive } from '../runtime/signals.ts';
import { terminal } from '../runtime/terminal.ts';
import type { WorkloadApiClient } from '../sdk/client.ts';
import { CommandError } from './failure.ts';
import { type Answer, parsed } from './leaf.ts';
import { socketTrouble } from './socket-trouble.ts';
import { type EndpointOptions, endpointAddress } from './sockets.ts';

const patienceSeconds = 30;

export const endpointFlags = (command: Command): Command => command.addOption(endpointSocket()).addOption(timeout());

/** One question to the Workload API. */
export async function asked<T>(
  options: EndpointOptions,
  ask: (client: WorkloadApiClient, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  // Pauses between attempts hold nobody by themselves.
  using _alive = stayAlive();
  using client = await connect(options);
  try {
    return await ask(client, AbortSignal.timeout(options.timeout * 1000));
  } catch (error) {
    throw await explained(error, options);
  }
}

/** One answer after the other. What goes wrong and is tried again is told once on stderr, unless a program reads. */
export async function* watched(
  options: EndpointOptions & { json?: boolean },
  ask: (client: WorkloadApiClient, onError: (error: IdentityError) => void) => AsyncIterable<Answer>,
): AsyncGenerator<Answer, void, undefined> {
  using client = await connect(options);
  let told = '';
  const tell = async (error: IdentityError): Promise<void> => {
    const { message } = await explained(error, options);
    if (message !== told && options.json !== true) terminal.err(`${message}; trying again\n`);
    told = message;
  };
  try {
    yield* ask(client, (error) => void tell(error));
  } catch (error) {
    throw await explained(error, options);
  }
}

/** The client is loaded where a command runs, not where it is described. */
async function connect(options: EndpointOptions): Promise<WorkloadApiClient> {
  const { WorkloadApiClient: Client } = await import('../sdk/client.ts');
  return new Client({ address: endpointAddress(options) });
}

export async function explained(error: unknown, options: EndpointOptions): Promise<Error> {
  if (!(error instanceof IdentityError)) return error as Error;
  // What somebody else refused, to whom the answer was taken, says what to do by itself.
  if (error instanceof CommandError || error.reason?.startsWith('relying-')) return error;
  if (error.code === 'permission-denied') return nothingOwed(error);
  if (error.code !== 'unavailable') return error;
  const { parseEndpoint } = await import('../sdk/endpoint.ts');
  const endpoint = parseEndpoint(endpointAddress(options));
  const expected = { what: 'Workload API socket', naming: '--socket or SPIFFE_ENDPOINT_SOCKET' };
  return endpoint.kind === 'unix' ? ((await socketTrouble(endpoint.path, expected)) ?? error) : error;
}

/** Why is for the operator's eyes: the answer is the same whichever rule said no. */
function nothingOwed(error: IdentityError): CommandError {
  const uid = process.getuid?.();
  const next =
    `This process (uid ${uid}) is not owed that. An operator sees what is with \`mayfly entry list --selector ` +
    `unix:uid:${uid}\`, makes an entry with \`mayfly entry create\`, allows an audience with \`mayfly entry update\`.`;
  return new CommandError('permission-denied', error.message, next, { cause: error });
}

const endpointSocket = (): Option =>
  new Option(
    '--socket <path>',
    `the Workload API's socket, also as unix:///path (default: SPIFFE_ENDPOINT_SOCKET, else ${defaultSockets.workload})`,
  );

const timeout = (): Option =>
  new Option('--timeout <duration>', 'how long to wait for an answer')
    .argParser(parsed(parseDuration))
    .default(patienceSeconds, `${patienceSeconds}s`);
