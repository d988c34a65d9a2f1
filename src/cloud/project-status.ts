/** What a projector says of itself: over a socket of its own, so that it can be asked when no disk takes a byte. */
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import http, { type Server } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Counter, Gauge, Registry } from 'prom-client';
import { IdentityError } from '../errors.ts';
import { storageError } from '../runtime/files.ts';
import { privateRuntimeDirectory } from '../runtime/runtime-directory.ts';
import type { FileState } from './kept-files.ts';

export interface ProjectStatus {
  readonly file: string;
  readonly pid: number;
  readonly startedAt: number;
  readonly files: readonly FileState[];
}

/** One for each file of YAML and user: `mayfly project status FILE` finds it again. */
export function statusSocket(file: string): string {
  const directory = privateRuntimeDirectory();
  return join(directory, `project-${createHash('sha256').update(file).digest('hex').slice(0, 16)}.sock`);
}

export interface StatusPlaces {
  readonly socket: string;
  readonly metrics: { readonly host: string; readonly port: number } | undefined;
}

/** @throws IdentityError 'already-exists' where another keeps the same files */
export async function serveStatus(
  { socket, metrics }: StatusPlaces,
  status: () => ProjectStatus,
): Promise<AsyncDisposable> {
  const registry = metricsOf(status);
  await using undo = new AsyncDisposableStack();
  if (await answers(socket)) {
    throw new IdentityError('already-exists', `another process keeps these files: it answers at ${socket}`);
  }
  rmSync(socket, { force: true });
  undo.defer(await listening(server(registry, status), { path: socket }, socket));
  if (metrics !== undefined) {
    undo.defer(await listening(server(registry, status), metrics, `${metrics.host}:${metrics.port}`));
  }
  const kept = undo.move();
  return { [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** What a running projector says. @throws IdentityError 'unavailable' where none runs */
export function askStatus(socket: string, signal: AbortSignal): Promise<ProjectStatus> {
  const { promise, resolve, reject } = Promise.withResolvers<ProjectStatus>();
  http
    .get({ socketPath: socket, path: '/status', signal, agent: false }, async (response) => {
      try {
        let text = '';
        for await (const part of response.setEncoding('utf8')) text += part;
        resolve(JSON.parse(text) as ProjectStatus);
      } catch (error) {
        reject(error);
      }
    })
    .on('error', (error) => {
      reject(
        new IdentityError('unavailable', `nothing keeps these files: nobody answers at ${socket}`, { cause: error }),
      );
    });
  return promise;
}

function server(registry: Registry, status: () => ProjectStatus): Server {
  return http.createServer(async (request, response) => {
    const answer = (code: number, type: string, body: string): void => {
      response.writeHead(code, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
    };
    if (request.url === '/status') answer(200, 'application/json', JSON.stringify(status()));
    else if (request.url === '/metrics') answer(200, registry.contentType, await registry.metrics());
    else answer(404, 'text/plain', 'not found\n');
  });
}

async function listening(http: Server, where: object, name: string): Promise<() => Promise<void>> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  http.once('error', (error) => reject(storageError(error, `cannot listen at ${name}`)));
  http.listen(where, resolve);
  await promise;
  return async () => {
    http.closeAllConnections();
    await new Promise((done) => http.close(done));
  };
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket, () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', () => resolve(false));
  });
}

function metricsOf(status: () => ProjectStatus): Registry {
  const registers = [new Registry()];
  const [registry] = registers as [Registry];
  const gauge = (name: string, help: string, value: (state: FileState) => number): void => {
    new Gauge({
      ...{ name, help, registers, labelNames: ['content', 'file'] },
      collect() {
        this.reset();
        for (const state of status().files)
          this.set({ content: state.content, file: state.files[0] ?? '' }, value(state));
      },
    });
  };
  const counter = (name: string, help: string, value: (state: FileState) => number): void => {
    new Counter({
      ...{ name, help, registers, labelNames: ['content', 'file'] },
      collect() {
        this.reset();
        for (const state of status().files)
          this.inc({ content: state.content, file: state.files[0] ?? '' }, value(state));
      },
    });
  };
  gauge('mayfly_projected_file_ok', '1 where the file is there and fresh', ({ problem, writtenAt }) =>
    problem === undefined && writtenAt !== undefined ? 1 : 0,
  );
  gauge(
    'mayfly_projected_file_expires_seconds',
    'When what is in the file expires, in seconds since the epoch',
    ({ expiresAt = 0 }) => expiresAt / 1_000,
  );
  counter('mayfly_projected_file_writes_total', 'Times the file was replaced', ({ writes }) => writes);
  counter('mayfly_projected_file_failures_total', 'Times it could not be', ({ failures }) => failures);
  return registry;
}
