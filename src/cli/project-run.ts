import { readFile, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { FileState } from '../cloud/kept-files.ts';
import { askStatus, serveStatus, statusSocket } from '../cloud/project-status.ts';
import { type Projection, parseProjection } from '../cloud/projection.ts';
import { Projector } from '../cloud/projector.ts';
import { IdentityError } from '../errors.ts';
import { systemClock } from '../runtime/clock.ts';
import { storageError } from '../runtime/files.ts';
import { createLog, type Log } from '../runtime/log.ts';
import { systemRandom } from '../runtime/random.ts';
import { endRequested, onHangup, stayAlive } from '../runtime/signals.ts';
import { WorkloadApiClient } from '../sdk/client.ts';
import { identitiesOf } from './identities.ts';
import type { Answer } from './leaf.ts';
import type { ProjectOptions } from './project.ts';
import { endpointAddress } from './sockets.ts';
import { moment, table } from './text.ts';

const patienceMs = 10_000;

/** Until a signal asks for the end, or, with `once`, until every file is there. At SIGHUP the file is read again. */
export async function runProject(file: string, { once }: ProjectOptions): Promise<void> {
  const { path, projection } = await read(file);
  const log = createLog('info');
  const { socket } = projection;
  using client = new WorkloadApiClient({ address: endpointAddress(socket === undefined ? {} : { socket }) });
  const done = new AbortController();
  const parts = { identities: identitiesOf(client), clock: systemClock, random: systemRandom };
  const said = new Map<string, string>();
  const projectorOf = (projected: Projection): Projector => {
    const changed = (state: FileState): void => {
      tell(state, said, log);
      if (once === true && made.complete) done.abort();
    };
    const made: Projector = new Projector(projected, { ...parts, changed });
    return made;
  };
  const startedAt = systemClock.now();
  let projector = projectorOf(projection);
  const status = () => ({ file: path, pid: process.pid, startedAt, files: projector.states });
  const places = { socket: projection.status ?? statusSocket(path), metrics: projection.metrics };
  await using _status = await serveStatus(places, status);
  using _alive = stayAlive();
  void endRequested().then(() => done.abort());
  while (!done.signal.aborted) {
    const next = await untilReread(projector, file, done.signal, log);
    if (next !== undefined) projector = projectorOf(next);
  }
  if (once === true && !projector.complete) throw new IdentityError('cancelled', 'ended before every file was there');
}

/** Keeps the files until the end, or until the file says something else: a faulty one changes nothing. */
async function untilReread(
  projector: Projector,
  file: string,
  done: AbortSignal,
  log: Log,
): Promise<Projection | undefined> {
  const turn = new AbortController();
  let next: Projection | undefined;
  using _hangup = onHangup(() => {
    read(file).then(
      ({ projection }) => {
        next = projection;
        turn.abort();
      },
      (error: Error) => log.warn({ problem: error.message }, 'the file is not taken; what was there goes on'),
    );
  });
  await projector.run(AbortSignal.any([done, turn.signal]));
  return next;
}

export async function projectStatus(file: string): Promise<Answer> {
  const { path, projection } = await read(file);
  const status = await askStatus(projection.status ?? statusSocket(path), AbortSignal.timeout(patienceMs));
  const files = status.files.map(documentOf);
  const [bad] = files.filter(({ state }) => state !== 'fresh');
  const rows = files.map((one) => [
    one.content,
    one.state,
    moment(one.expiresAt),
    one.files.join(' '),
    one.problem ?? '',
  ]);
  const document = { file: status.file, pid: status.pid, startedAt: timeOf(status.startedAt), files };
  const text = table(['CONTENT', 'STATE', 'EXPIRES', 'FILES', 'PROBLEM'], rows);
  if (bad === undefined) return { document, text };
  const failure = new IdentityError(
    'failed-precondition',
    `${bad.files[0]} is ${bad.state}: ${bad.problem ?? 'not written yet'}`,
  );
  return { document, text, failure };
}

async function read(file: string): Promise<{ path: string; projection: Projection }> {
  let [path, text] = ['', ''];
  try {
    path = await realpath(file);
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw storageError(error, `cannot read ${file}`);
  }
  try {
    return { path, projection: parseProjection(text, dirname(path)) };
  } catch (error) {
    const [, line, fault] = /^line (\d+): (.*)$/s.exec(error instanceof IdentityError ? error.message : '') ?? [];
    if (line === undefined) throw error;
    throw new IdentityError('invalid-argument', `${file}:${line}: ${fault}`, { cause: error });
  }
}

/** What has changed, and not how often: a disk that stays full is told of once. */
function tell(state: FileState, said: Map<string, string>, log: Log): void {
  const [file = ''] = state.files;
  const { content, problem, untold, writtenAt } = state;
  const line = JSON.stringify([writtenAt, problem, untold]);
  if (said.get(file) === line) return;
  said.set(file, line);
  if (problem !== undefined) log.warn({ content, file, problem }, 'not fresh');
  else if (untold !== undefined) log.warn({ content, file, problem: untold }, 'written, but nobody could be told');
  else if (writtenAt === undefined) log.info({ content, file }, 'removed');
  else log.info({ content, file, spiffe_id: state.spiffeId, expires_at: timeOf(state.expiresAt) }, 'written');
}

function documentOf(state: FileState) {
  const late = state.expiresAt !== undefined && state.expiresAt <= systemClock.now();
  const known = state.problem === undefined ? 'fresh' : 'failing';
  return {
    content: state.content,
    files: state.files,
    state: state.writtenAt === undefined ? 'missing' : late ? 'expired' : known,
    spiffeId: state.spiffeId ?? null,
    writtenAt: timeOf(state.writtenAt),
    expiresAt: timeOf(state.expiresAt),
    failingSince: timeOf(state.failingSince),
    problem: state.problem ?? state.untold ?? null,
    writes: state.writes,
    failures: state.failures,
  };
}

const timeOf = (at: number | undefined): string | null => (at === undefined ? null : new Date(at).toISOString());
