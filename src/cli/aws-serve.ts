/** The container credentials endpoint for whoever is started with its variables, as long as this process has its identity. */
import { rmSync } from 'node:fs';
import { startContainerEndpoint } from '../cloud/aws-container.ts';
import { KeptSession } from '../cloud/kept-session.ts';
import { IdentityError } from '../errors.ts';
import { systemClock as clock } from '../runtime/clock.ts';
import { writeFileAtomic } from '../runtime/files.ts';
import { systemRandom as random } from '../runtime/random.ts';
import { WorkloadApiClient } from '../sdk/client.ts';
import { type AwsOptions, awsSource, outlives } from './aws-source.ts';
import { endpointAddress } from './sockets.ts';

export interface AwsServing extends AsyncDisposable {
  /** For the environment of those who are to use it. */
  readonly variables: Readonly<Record<string, string>>;
  readonly warnings: readonly string[];
}

export interface AwsServeParts {
  readonly options: AwsOptions;
  /** Where the word is written that requests must carry: mode 0600, no newline; gone at the end. */
  readonly wordFile: string;
  readonly port: number;
  /** What goes wrong while what was there is still served. */
  readonly failed: (error: unknown) => void;
}

/** Once it resolves, there is a session: what is not allowed is told to whoever starts it, and not to a program inside. */
export async function serveAws({ options, wordFile, port, failed }: AwsServeParts): Promise<AwsServing> {
  const source = awsSource(options);
  await using undo = new AsyncDisposableStack();
  const client = undo.use(new WorkloadApiClient({ address: endpointAddress(options) }));
  const obtain = () => source(client, AbortSignal.timeout(options.timeout * 1_000));
  const kept = new KeptSession({ obtain, clock, random, failed });
  const warnings = outlives(await kept.get());
  const over = new AbortController();
  undo.defer(() => over.abort());
  void followIdentity(client, kept, over.signal);
  const word = random.bytes(32).toString('base64url');
  const endpoint = undo.use(await startContainerEndpoint({ word, session: () => kept.get(), port }));
  writeFileAtomic(wordFile, word);
  undo.defer(() => rmSync(wordFile, { force: true }));
  const opened = undo.move();
  return {
    warnings,
    variables: {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: endpoint.url,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: wordFile,
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** The stream of bundles is open as long as this process is owed an identity, and says when it is not any more. */
async function followIdentity(
  client: WorkloadApiClient,
  kept: KeptSession<{ readonly expiresAt: number }>,
  signal: AbortSignal,
): Promise<void> {
  const onError = (error: IdentityError): void => {
    if (error.code === 'permission-denied') kept.withdraw(error);
  };
  try {
    for await (const _ of client.watchX509Bundles({ signal, onError })) kept.restore();
  } catch (error) {
    if (!signal.aborted && error instanceof IdentityError) kept.withdraw(error);
  }
}
