/**
 * Brings what a caller sends to its HTTP/2 session a small piece at a time, each in its user's turn. Left to itself, Node
 * hands over 64 KiB at once, thirty-two times in a row, before anybody else is looked at.
 *
 * The pieces are read through a descriptor of their own: whoever reads in the place of a session hears in its place, too,
 * that what was written has left, and the session would wait for that for ever. All connections read into one buffer, of
 * which the session makes a copy (docs/decisions/0009-fair-under-flood.md).
 */
import type http2 from 'node:http2';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { duplicate } from './kernel.ts';
import { handleOfSession } from './session-handle.ts';
import { handleOf } from './socket-handle.ts';

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
  const writer = handleOf(socket);
  const onread = { buffer: piece, callback };
  const reader = new net.Socket({ fd: duplicate(writer.fd), readable: true, writable: false, onread });
  let past = writer.bytesRead;
  socket.once('close', () => reader.destroy());
  // A caller who has nothing more to say has gone: nobody is left who could be answered.
  reader.on('error', () => undefined).once('close', () => socket.destroy());

  /** @returns whether to go on reading */
  function callback(length: number): boolean {
    pastUs();
    let waits = true;
    let bytes = piece.subarray(0, length);
    owner.run(() => {
      // What came after this piece was not to be looked at before it; and of a connection that has ended, nothing is.
      if (waits || pastUs() === 0) receive(bytes);
      else socket.destroy();
      if (waits) waits = false;
      else if (!reader.destroyed) reader.resume();
    });
    if (!waits) return true;
    waits = false;
    bytes = Buffer.from(bytes);
    return false;
  }

  function receive(bytes: Buffer): void {
    if (!socket.destroyed && owner.arrived(bytes.length)) handleOfSession(session)?.receive(bytes);
  }

  /** What Node has read: after a write that had to wait, it goes on reading by itself. @returns how much */
  function pastUs(): number {
    writer.readStop();
    const bytes = writer.bytesRead - past;
    past += bytes;
    if (bytes > 0) owner.arrived(bytes);
    return bytes;
  }
}
