/** A process that holds streams, written in Go, and tells when what arrived on them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { goProgram } from './go-load.ts';

/** A message that arrived, or the end of a stream. */
export interface StreamEvent {
  readonly stream: number;
  /** By the clock of `nowMs`. */
  readonly at: number;
  readonly svids?: number;
  readonly bundleBytes?: number;
  /** Of the bundles of foreign trust domains together. */
  readonly federatedBytes?: number;
  /** How many SVIDs are signed by which authority, where that was asked for. */
  readonly authorities?: Readonly<Record<string, number>>;
  /** The gRPC status in Go's spelling. */
  readonly ended?: string;
}

/** FetchX509SVID, each on a connection of its own. */
export class Streams implements Disposable {
  readonly #child: ChildProcess;
  readonly #listeners = new Set<(event: StreamEvent) => void>();

  constructor(socket: string, ...flags: string[]) {
    this.#child = spawn(goProgram, ['streams', '-socket', socket, '-lanes', '32', ...flags], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const { stdin, stdout } = this.#child;
    if (stdin === null || stdout === null) throw new Error('no pipes');
    // Whoever is ended in the midst of a line has nothing to complain of.
    stdin.on('error', () => undefined);
    createInterface({ input: stdout }).on('line', (line) => {
      const event = JSON.parse(line) as StreamEvent;
      for (const listener of this.#listeners) listener(event);
    });
  }

  open(count: number): void {
    this.#child.stdin?.write(`${count}\n`);
  }

  /** Resolves when each of `count` more has had its first message. */
  async hold(count: number): Promise<readonly StreamEvent[]> {
    const firsts = this.collect('open streams', count, ({ svids }) => svids !== undefined);
    this.open(count);
    return firsts;
  }

  /** The next `count` events that match. */
  collect(
    what: string,
    count: number,
    matches: (event: StreamEvent) => boolean,
    withinMs = 60_000,
  ): Promise<readonly StreamEvent[]> {
    const found: StreamEvent[] = [];
    const { promise, resolve, reject } = Promise.withResolvers<readonly StreamEvent[]>();
    const listener = (event: StreamEvent): void => {
      if (matches(event) && found.push(event) === count) resolve(found);
    };
    this.#listeners.add(listener);
    const late = () => reject(new Error(`${what}: ${found.length} of ${count} within ${withinMs} ms`));
    const timer = setTimeout(late, withinMs);
    const collected = promise.finally(() => {
      clearTimeout(timer);
      this.#listeners.delete(listener);
    });
    // Whoever asked may have given up for another reason before this is late.
    collected.catch(() => undefined);
    return collected;
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}

/** So many from the start. */
export async function holdStreams(socket: string, count: number): Promise<Streams> {
  const streams = new Streams(socket);
  await streams.hold(count).catch((error: unknown) => {
    streams[Symbol.dispose]();
    throw error;
  });
  return streams;
}
