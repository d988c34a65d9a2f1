/** Workloads by the hundred, each a process of its own that asks once for its X.509-SVID. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

const program = join(import.meta.dirname, 'racers.pl');
const headers: http2.OutgoingHttpHeaders = {
  ':method': 'POST',
  ':path': '/SpiffeWorkloadAPI/FetchX509SVID',
  'content-type': 'application/grpc',
  te: 'trailers',
  'workload.spiffe.io': 'true',
};

export class Racers {
  readonly #socket: string;
  readonly #request: string;

  private constructor(socket: string, request: string) {
    this.#socket = socket;
    this.#request = request;
  }

  static async prepare(socket: string, directory: string): Promise<Racers> {
    const request = join(directory, 'request.bin');
    writeFileSync(request, await recordedRequest(join(directory, 'recorder')));
    return new Racers(socket, request);
  }

  /** As many processes as can be within `seconds`, `lanes` at a time. */
  async race(lanes: number, seconds: number): Promise<{ answered: number; complaints: readonly string[] }> {
    const words = [program, this.#socket, this.#request, String(lanes), String(seconds)];
    const { stdout, stderr } = await promisify(execFile)('perl', words);
    return { answered: Number(stdout.split(' ')[0]), complaints: stderr.split('\n').filter((line) => line !== '') };
  }

  /** Resolves when `count` processes hold a stream; disposing ends them. */
  async hold(count: number): Promise<Disposable> {
    const words = [program, this.#socket, this.#request, String(count), 'hold'];
    const leader = spawn('perl', words, { detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
    await once(leader.stdout, 'data');
    return { [Symbol.dispose]: () => process.kill(-(leader.pid ?? 0), 'SIGTERM') };
  }
}

/** What a client sends for FetchX509SVID, word for word. */
export async function recordedRequest(path: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const recorder = net.createServer((connection) => connection.on('data', (piece) => pieces.push(piece))).listen(path);
  await once(recorder, 'listening');
  const session = http2.connect('http://localhost', { createConnection: () => net.connect(path) });
  session.on('error', () => undefined);
  const stream = session.request(headers);
  stream.on('error', () => undefined);
  stream.end(Buffer.alloc(5));
  await new Promise((resolve) => setTimeout(resolve, 100));
  session.destroy();
  recorder.close();
  return Buffer.concat(pieces);
}
