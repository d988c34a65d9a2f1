/** Health, readiness and metrics for whoever watches the host; on a loopback address, read only, without secrets. */
import fastify from 'fastify';
import { IdentityError } from '../errors.ts';
import type { Metrics } from '../runtime/metrics.ts';

export interface StatusEndpointParts {
  readonly host: string;
  readonly port: number;
  readonly metrics: Metrics;
  /** What keeps this server from issuing right now, in words; empty when nothing does. */
  readonly problems: () => readonly string[];
}

export interface StatusEndpoint {
  readonly address: string;
  close(): Promise<void>;
}

export async function startStatusEndpoint(parts: StatusEndpointParts): Promise<StatusEndpoint> {
  const server = fastify({ bodyLimit: 1024, requestTimeout: 5_000, connectionTimeout: 10_000 });
  server.get('/healthz', () => ({ status: 'ok' }));
  server.get('/readyz', (_request, reply) => {
    const problems = parts.problems();
    return reply.code(problems.length === 0 ? 200 : 503).send({ ready: problems.length === 0, problems });
  });
  server.get('/metrics', async (_request, reply) =>
    reply.type('text/plain; version=0.0.4; charset=utf-8').send(await parts.metrics.print()),
  );
  try {
    const address = await server.listen({ host: parts.host, port: parts.port });
    return { address, close: () => server.close() };
  } catch (cause) {
    const where = `${parts.host}:${parts.port}`;
    const message = `cannot listen on ${where} for health and metrics; choose another with --http`;
    throw new IdentityError('failed-precondition', message, { cause });
  }
}
