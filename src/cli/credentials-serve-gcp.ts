import { resolve } from 'node:path';
import { audienceOf, type GcpProvider } from '../cloud/gcp.ts';
import { endRequested, stayAlive } from '../runtime/signals.ts';
import { explained } from './endpoint.ts';
import { serveGcp } from './gcp-serve.ts';
import type { Answer } from './leaf.ts';
import type { EndpointOptions } from './sockets.ts';
import { quoted } from './text.ts';

export interface GcpServeOptions extends EndpointOptions {
  readonly provider: GcpProvider;
  readonly audience?: string;
  readonly spiffeId?: string;
  readonly serviceAccount?: string;
  readonly tokenUrl?: string;
  readonly out: string;
  readonly port: number;
}

export async function* servingGcp(options: GcpServeOptions): AsyncGenerator<Answer, void> {
  const requested = endRequested();
  using _alive = stayAlive();
  const { provider, audience: tokenAudience = audienceOf(provider), spiffeId, port } = options;
  const parts = { account: options, tokenAudience, spiffeId, options, file: resolve(options.out), port };
  await using serving = await serveGcp(parts).catch(async (error: unknown) => {
    throw await explained(error, options);
  });
  const { variables } = serving;
  const text = `export GOOGLE_APPLICATION_CREDENTIALS=${quoted(variables.GOOGLE_APPLICATION_CREDENTIALS)}\n`;
  yield { document: variables, text };
  await requested;
}
