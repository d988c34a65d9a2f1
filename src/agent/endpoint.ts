/** The Workload API's socket: every connection is accepted by us, its caller learned from the kernel, then served. */
import type net from 'node:net';
import { IdentityError } from '../errors.ts';
import { onFirstByte } from '../runtime/first-byte.ts';
import type { GrpcServer } from '../runtime/grpc-server.ts';
import type { Log } from '../runtime/log.ts';
import type { Peer, Peers } from '../runtime/peer.ts';
import { descriptorOf } from '../runtime/unix-socket.ts';

export interface EndpointParts {
  readonly peers: Peers;
  readonly server: GrpcServer<Peer>;
  readonly log: Log;
  /** Told when nobody holds the process any more: no connection of it is left, and nothing was granted to it. */
  readonly disconnected: (peer: Peer) => void;
  /** Told of one who is turned away before it could call. */
  readonly refused: (peer: Peer, reason: string) => void;
}

/** Takes one accepted connection: no peer beyond doubt, no service. */
export function acceptConnection(socket: net.Socket, parts: EndpointParts): void {
  socket.on('error', () => socket.destroy());
  const peer = learnPeer(socket, parts);
  if (peer === undefined) return;
  const ended = peer.process.onEnded(() => socket.destroy());
  socket.once('close', () => {
    ended[Symbol.dispose]();
    if (parts.peers.release(peer.process)) parts.disconnected(peer);
  });
  onFirstByte(socket, (writer) => {
    if (writer === peer.credentials.pid) return parts.server.serve(socket, peer);
    // R-PEER-3: whoever speaks has been given the connection by another.
    if (writer !== 0) parts.refused(peer, 'peer-is-not-the-writer');
    socket.destroy();
  });
}

function learnPeer(socket: net.Socket, { peers, log }: EndpointParts): Peer | undefined {
  try {
    return peers.accept(descriptorOf(socket));
  } catch (error) {
    const reason = error instanceof IdentityError ? error.reason : 'bug';
    log.warn({ reason, err: error }, 'a connection was refused: its process could not be told beyond doubt');
    socket.destroy();
    return undefined;
  }
}
