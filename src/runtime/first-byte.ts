/**
 * Who speaks on an accepted connection? SO_PEERCRED names who connected, for ever; the connection may have been handed to
 * another since (SCM_RIGHTS, fork). The kernel labels what is written with its writer, and the label of what waits can be
 * read without taking it. That is done once, before the first byte is: bytes that follow are read without their labels
 * (docs/decisions/0006-peers.md says what that leaves unseen, and why).
 */
import type net from 'node:net';
import { firstWriter } from './kernel.ts';
import { handleOf } from './socket-handle.ts';

/** A caller connects because it has something to say. */
const silenceMs = 10_000;

/**
 * Calls `spoken` once, with the pid of whoever wrote the first byte (0: nobody who can be named; undefined: nothing was
 * said in time), before it is read. Until then, and after, nobody reads the socket.
 */
export function onFirstByte(socket: net.Socket, spoken: (writer: number | undefined) => void): void {
  const handle = handleOf(socket);
  const writer = firstWriter(handle.fd);
  if (writer !== undefined) {
    spoken(writer);
    return;
  }
  const read = handle.onread;
  // With no room to read into, libuv tells that there is something to read, and reads nothing.
  handle.useUserBuffer(nothing);
  handle.onread = () => {
    handle.onread = read;
    handle.readStop();
    socket.setTimeout(0);
    spoken(firstWriter(handle.fd) ?? 0);
  };
  handle.reading = true;
  handle.readStart();
  socket.setTimeout(silenceMs, () => spoken(undefined));
}

const nothing = Buffer.alloc(0);
