import type { Given, Plan } from '../cloud/plan.ts';
import { Projector } from '../cloud/projector.ts';
import { planFor, type TargetName, targetNames } from '../cloud/targets.ts';
import { IdentityError } from '../errors.ts';
import { runInPlace } from '../runtime/child.ts';
import { systemClock } from '../runtime/clock.ts';
import { environment } from '../runtime/environment.ts';
import { writeFileAtomic } from '../runtime/files.ts';
import { passingDirectory } from '../runtime/passing-directory.ts';
import { systemRandom } from '../runtime/random.ts';
import { stayAlive, tidyBeforeEnd } from '../runtime/signals.ts';
import { terminal } from '../runtime/terminal.ts';
import { WorkloadApiClient } from '../sdk/client.ts';
import { asked } from './endpoint.ts';
import type { EnvOptions } from './env.ts';
import { startServing } from './env-serve.ts';
import { CommandError } from './failure.ts';
import { identitiesOf } from './identities.ts';
import { endpointAddress } from './sockets.ts';
import { printable } from './text.ts';

/** Azure's libraries keep what they read for five minutes. */
const azureNeedsMs = 600_000;

export async function runEnv(words: readonly string[], options: EnvOptions): Promise<void> {
  const { names, command } = split(words);
  using directory = passingDirectory(systemRandom);
  using early = tidyBeforeEnd(() => directory[Symbol.dispose]());
  const given = givenBy(options);
  const plan = planFor(names, directory.path, given);
  const first = await ask(plan, options);
  if (names.includes('azure') && first.soonestMs < azureNeedsMs) {
    terminal.err(
      'warning: tokens for azure last less than 10m here, and its libraries keep one for 5m: make the entry’s JWT-SVIDs live longer\n',
    );
  }
  for (const { path, document } of plan.documents) writeFileAtomic(path, `${JSON.stringify(document, undefined, 2)}\n`);
  await using serving = await startServing(plan.serves, given, options);
  const session = { AWS_ROLE_SESSION_NAME: sessionName(first.spiffeId) };
  const byToken = 'AWS_WEB_IDENTITY_TOKEN_FILE' in plan.variables;
  const variables = { ...(byToken ? session : {}), ...plan.variables, ...serving.variables };
  terminal.exitCode(
    await whileFresh(plan, options, () => {
      const running = runInPlace(command, { ...plan, variables });
      // From here on signals are the program's.
      early[Symbol.dispose]();
      return running;
    }),
  );
}

function split(words: readonly string[]): { names: TargetName[]; command: readonly string[] } {
  const at = terminal.arguments.indexOf('--');
  const command = at < 0 ? [] : terminal.arguments.slice(at + 1);
  if (!command[0]) {
    throw new CommandError(
      'invalid-argument',
      'no program is named',
      'Write it after --, as in `mayfly env aws -- aws s3 ls`.',
    );
  }
  const names = words.slice(0, words.length - command.length).map((word) => {
    const name = targetNames.find((known) => known === word);
    if (name !== undefined) return name;
    throw new IdentityError('invalid-argument', `'${word}' is not a target: ${targetNames.join(', ')}`);
  });
  if (names.length > 0) return { names, command };
  throw new IdentityError('invalid-argument', `no target is named: ${targetNames.join(', ')}`);
}

const givenBy = (options: EnvOptions): Given => {
  const said: Readonly<Record<string, unknown>> = { ...options };
  const may = (option: string, variable = ''): string | undefined => {
    const value = said[option.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())];
    return typeof value === 'string' ? value : environment.named(variable);
  };
  return {
    may,
    need: (option, variable) => {
      const value = may(option, variable);
      if (value !== undefined) return value;
      const or = variable === undefined ? '' : `, or set ${variable}`;
      throw new IdentityError('invalid-argument', `missing: --${option}${or}`);
    },
  };
};

/** Everything once, so that what is not owed is told before the program starts, and told well. */
const ask = ({ tokens, certificates, audiences }: Required<Plan>, options: EnvOptions) =>
  asked(options, async (client, signal) => {
    const identities = identitiesOf(client);
    const { spiffeId } = options;
    const got = await Promise.all(
      [...tokens.map(({ audience }) => audience), ...audiences].map((audience) =>
        identities.token({ audience, spiffeId }, signal),
      ),
    );
    const { svids } = certificates.length === 0 ? { svids: [] } : await client.fetchX509Context({ signal });
    const soonestMs = Math.min(...got.map(({ expiresAt }) => expiresAt - systemClock.now()));
    return { spiffeId: [...got, ...svids][0]?.id ?? '', soonestMs };
  });

/** Runs `run` once every file is there, and keeps them fresh until it is over. */
async function whileFresh(
  { tokens, certificates }: Required<Plan>,
  options: EnvOptions,
  run: () => Promise<number>,
): Promise<number> {
  using client = new WorkloadApiClient({ address: endpointAddress(options) });
  using _alive = stayAlive();
  const over = new AbortController();
  const complete = Promise.withResolvers<void>();
  const told = new Set<string>();
  const which = <T extends object>(one: T): T => ({ ...one, spiffeId: options.spiffeId });
  const projector: Projector = new Projector(
    { tokens: tokens.map(which), certificates: certificates.map(which) },
    {
      ...{ identities: identitiesOf(client), clock: systemClock, random: systemRandom },
      changed: ({ problem, files: [file] }) => {
        if (projector.complete) complete.resolve();
        if (problem === undefined || told.has(problem)) return;
        told.add(problem);
        terminal.err(printable(`warning: ${file} is not fresh: ${problem}; trying again\n`));
      },
    },
  );
  // Some targets need no file that is to be kept.
  if (projector.complete) complete.resolve();
  const keeping = projector.run(over.signal);
  try {
    await Promise.race([complete.promise, keeping, late(options.timeout, over.signal)]);
    return await Promise.race([
      run(),
      keeping.then(() => Promise.reject(new TypeError('the files are no longer kept'))),
    ]);
  } finally {
    over.abort();
    await Promise.allSettled([keeping]);
  }
}

async function late(seconds: number, signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = systemClock.after(seconds * 1_000, () => {
    reject(new IdentityError('deadline-exceeded', `not every file was there within ${seconds} s`));
  });
  signal.addEventListener('abort', () => timer[Symbol.dispose](), { once: true });
  return promise;
}

/** What a person recognises in the log of AWS: the end of the SPIFFE ID's path. */
const sessionName = (spiffeId: string): string =>
  spiffeId
    .replace(/^spiffe:\/\//, '')
    .replaceAll(/[^\w+=,.@-]/g, '.')
    .slice(-64);
