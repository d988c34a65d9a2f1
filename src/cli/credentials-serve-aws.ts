import { resolve } from 'node:path';
import { endRequested, stayAlive } from '../runtime/signals.ts';
import { terminal } from '../runtime/terminal.ts';
import { serveAws } from './aws-serve.ts';
import type { AwsOptions } from './aws-source.ts';
import { explained } from './endpoint.ts';
import { failureOf, formatFailure } from './failure.ts';
import type { Answer } from './leaf.ts';
import { printable, quoted } from './text.ts';

export async function* servingAws(
  options: AwsOptions & { readonly tokenFile: string; readonly port: number },
): AsyncGenerator<Answer, void> {
  const requested = endRequested();
  using _alive = stayAlive();
  const failed = (error: unknown): void => terminal.err(printable(formatFailure(failureOf(error))));
  const parts = { options, wordFile: resolve(options.tokenFile), port: options.port, failed };
  await using serving = await serveAws(parts).catch(async (error: unknown) => {
    throw await explained(error, options);
  });
  const { variables, warnings } = serving;
  const lines = Object.entries(variables).map(([name, value]) => `export ${name}=${quoted(value)}\n`);
  yield { document: variables, text: lines.join(''), warnings };
  await requested;
}
