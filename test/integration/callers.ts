/** Workloads that are programs of their own kind: bare sockets, heirs of a connection, holders of one. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { chmodSync, constants, copyFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Mayfly } from './fixture.ts';

const program = (name: string): string => fileURLToPath(new URL(`programs/${name}`, import.meta.url));

/** A process whose printed lines are awaited. */
export class Caller {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly lines: string[] = [];
  #rest = '';
  #wake: (() => void) | undefined;

  /** A program that others cannot reach becomes `uid` by itself. */
  constructor(command: string, args: readonly string[], uid?: number) {
    const user = uid === undefined ? {} : { uid, gid: uid };
    this.#child = spawn(command, args, { ...user, stdio: ['pipe', 'pipe', 'inherit'], cwd: '/' });
    this.#child.stdin.on('error', () => undefined);
    this.#child.stdout.on('data', (text: Buffer) => {
      const [...lines] = `${this.#rest}${text.toString()}`.split('\n');
      this.#rest = lines.pop() ?? '';
      this.lines.push(...lines);
      this.#wake?.();
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The line at `index`, as soon as it is printed. */
  async line(index = 0, withinMs = 30_000): Promise<string> {
    const late = performance.now() + withinMs;
    for (;;) {
      const line = this.lines[index];
      if (line !== undefined) return line;
      if (performance.now() > late)
        throw new Error(`no line ${index} within ${withinMs} ms, only ${this.lines.join(' ')}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 100).unref();
      });
    }
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  [Symbol.dispose](): void {
    this.kill();
  }
}

/** Perl, which says what the server sends it; `perl` is the program that selectors see. */
export function bareCaller(mayfly: Mayfly, uid: number): Caller {
  const script = readFileSync(program('caller.pl'), 'utf8');
  return new Caller('/usr/bin/perl', ['-e', script, mayfly.socket, fetchX509Svid().toString('hex')], uid);
}

/** Perl connects, then becomes Node, which speaks on the connection. */
export function heir(mayfly: Mayfly, uid: number): Caller {
  const script =
    'use IO::Socket::UNIX; $^F = 255; my $s = IO::Socket::UNIX->new(Peer => shift @ARGV) or die; sleep 1; exec @ARGV, fileno($s)';
  const next = [
    nodeForAll(mayfly),
    '--input-type=module-typescript',
    '--eval',
    readFileSync(program('heir.ts'), 'utf8'),
  ];
  return new Caller('/usr/bin/perl', ['-e', script, mayfly.socket, ...next], uid);
}

/** A copy of Node that every user can run, wherever this checkout lies. */
export function nodeForAll(mayfly: Mayfly): string {
  const copy = join(mayfly.directory, 'node');
  if (!existsSync(copy)) copyFileSync(process.execPath, copy, constants.COPYFILE_FICLONE);
  chmodSync(copy, 0o755);
  return copy;
}

/** Opens a stream on a connection that a child of its keeps when it is killed. */
export const holder = (mayfly: Mayfly, uid: number): Caller =>
  new Caller(process.execPath, [program('holder.ts'), mayfly.socket, `${uid}`]);

/** A whole FetchX509SVID as bytes: preface, settings, headers written out literally, one empty message. */
export function fetchX509Svid(): Buffer {
  const headers = [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', '/SpiffeWorkloadAPI/FetchX509SVID'],
    [':authority', 'localhost'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
    ['workload.spiffe.io', 'true'],
  ] as const;
  const block = Buffer.concat(headers.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]));
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  return Buffer.concat([
    preface,
    h2Frame(4, 0, 0, Buffer.alloc(0)),
    h2Frame(1, 4, 1, block),
    h2Frame(0, 1, 1, Buffer.alloc(5)),
  ]);
}

/** HPACK string, not Huffman-coded (RFC 7541 section 5.2). */
const literal = (text: string): Buffer => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);

/** RFC 9113 section 4.1 */
function h2Frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}
