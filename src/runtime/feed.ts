/**
 * Brings what a caller sends to its HTTP/2 session a small piece at a time, each in its user's turn. Left to itself, Node
 * hands over 64 KiB at once, thirty-two times in a row, before anybody else is looked at.
 *
 * The pieces are read into one buffer for all connections and copied by the session. That costs less than what Node does
 * (it allocates 64 KiB for each read) and a third less than a stream of our own between socket and session
 * (docs/decisions/0009-fair-under-flood.md).
 */
import type http2 from 'node:http2';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { handleOf } from './unix-socket.ts';

/** Some twenty calls, or fifty of a caller who wants to be a burden. */
const pieceBytes = 2048;
const piece = Buffer.allocUnsafeSlow(pieceBytes);

/** Whose turn it is to have its bytes looked at, and whether they are. */
export interface Owner {
  run(work: () => void): void;
  /** False: they are not. */
  arrived(bytes: number): boolean;
}

/** Reads `socket` from now on, which nobody reads yet. */
export function feed(socket: Duplex, session: http2.ServerHttp2Session, owner: Owner): void {
  // Anything else than a socket brings its own reading along.
  if (!(socket instanceof net.Socket)) return;
  const handle = handleOf(socket);
  const ended = handle.onread as (this: unknown, ...args: unknown[]) => unknown;
  let seen = handle.bytesRead;
  let kept: Buffer | undefined;

  handle.useUserBuffer(piece);
  handle.onread = (...args: unknown[]) => {
    const length = handle.bytesRead - seen;
    if (length === 0) return void ended.apply(handle, args);
    seen = handle.bytesRead;
    // What was read although it was not to be: Node goes on reading by itself after what it wrote has left.
    if (kept !== undefined) return later(Buffer.concat([kept, piece.subarray(0, length)]));
    let waits = true;
    owner.run(() => {
      waits = false;
      receive(kept ?? piece.subarray(0, length));
      if (kept !== undefined) goOn();
      kept = undefined;
    });
    if (waits) later(Buffer.from(piece.subarray(0, length)));
  };
  handle.reading = true;
  handle.readStart();

  function receive(bytes: Buffer): void {
    if (owner.arrived(bytes.length)) nativeOf(session)?.receive(bytes);
  }

  function later(bytes: Buffer): void {
    kept = bytes;
    handle.readStop();
  }

  /** Not while something is on its way out: then Node itself has stopped reading, and begins again when it has left. */
  function goOn(): void {
    if (!session.destroyed && !socket.destroyed && handle.writeQueueSize === 0) handle.readStart();
  }
}

/** What Node has under a session; absent once that is destroyed. */
function nativeOf(session: http2.ServerHttp2Session): { receive(bytes: Buffer): void } | undefined {
  return Reflect.get(session, nativeKey(session)) as { receive(bytes: Buffer): void } | undefined;
}

let known: symbol | undefined;

function nativeKey(session: http2.ServerHttp2Session): symbol {
  known ??= Object.getOwnPropertySymbols(session).find(({ description }) => description === 'kHandle');
  if (known === undefined) throw new TypeError('this Node keeps the handle of an HTTP/2 session elsewhere');
  return known;
}
