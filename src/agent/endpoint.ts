/** The Workload API's socket: every connection is accepted by us, its caller learned from the kernel, then served. */
import type net from 'node:net';
import { IdentityError } from '../errors.ts';
import { failpoint } from '../runtime/failpoint.ts';
import { onFirstByte } from '../runtime/first-byte.ts';
import type { GrpcServer } from '../runtime/grpc-server.ts';
import { peerUid } from '../runtime/kernel.ts';
import type { Log } from '../runtime/log.ts';
import type { Peer, Peers } from '../runtime/peer.ts';
import { descriptorOf } from '../runtime/socket-handle.ts';
import type { Budget, Budgets } from './budgets.ts';

export interface EndpointParts {
  readonly budgets: Budgets;
  readonly peers: Peers;
  readonly server: GrpcServer<Peer>;
  readonly log: Log;
  /** Told when nobody holds the process any more: no connection of it is left, and nothing was granted to it. */
  readonly disconnected: (peer: Peer) => void;
  /** Told of one who is turned away before it could call. */
  readonly refused: (peer: Peer, reason: string) => void;
}

/** Takes one accepted connection when it is its user's turn: no peer beyond doubt, no service. */
export function acceptConnection(socket: net.Socket, parts: EndpointParts): void {
  socket.on('error', () => socket.destroy());
  const budget = parts.budgets.of(peerUid(descriptorOf(socket)));
  const connection = budget.connect(() => socket.destroy());
  socket.once('close', () => connection[Symbol.dispose]());
  inTurn(socket, { budget, log: parts.log }, () => meet(socket, budget, parts));
}

/** A question that the kernel does not answer, or a mistake of ours, ends this connection, and nothing else. */
function inTurn(socket: net.Socket, { budget, log }: { budget: Budget; log: Log }, work: () => void): void {
  budget.run(() => {
    try {
      if (!socket.destroyed) work();
    } catch (error) {
      socket.destroy();
      if (budget.mayLog()) log.error({ err: error }, 'a connection was cut, because it could not be served');
    }
  });
}

function meet(socket: net.Socket, budget: Budget, parts: EndpointParts): void {
  const peer = learnPeer(socket, budget, parts);
  if (peer === undefined) return;
  const ended = peer.process.onEnded(() => socket.destroy());
  socket.once('close', () => {
    ended[Symbol.dispose]();
    if (parts.peers.release(peer.process)) parts.disconnected(peer);
  });
  onFirstByte(socket, (writer) => {
    inTurn(socket, { budget, log: parts.log }, () => hear(socket, writer, { peer, budget, parts }));
  });
}

interface Met {
  readonly peer: Peer;
  readonly budget: Budget;
  readonly parts: EndpointParts;
}

function hear(socket: net.Socket, writer: number | undefined, { peer, budget, parts }: Met): void {
  failpoint('peer.heard');
  if (writer === peer.credentials.pid) {
    parts.server.serve(socket, peer, budget);
    return;
  }
  if (writer === undefined) budget.cut('silent');
  // R-PEER-3: whoever speaks has been given the connection by another.
  else if (writer !== 0) parts.refused(peer, 'peer-is-not-the-writer');
  socket.destroy();
}

function learnPeer(socket: net.Socket, budget: Budget, { peers, log }: EndpointParts): Peer | undefined {
  try {
    return peers.accept(descriptorOf(socket));
  } catch (error) {
    const reason = error instanceof IdentityError ? error.reason : 'bug';
    if (budget.mayLog()) log.warn({ reason, err: error }, 'a connection was refused: its process is not beyond doubt');
    socket.destroy();
    return undefined;
  }
}
