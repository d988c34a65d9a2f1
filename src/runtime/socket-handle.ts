import net from 'node:net';
import { IdentityError } from '../errors.ts';

/** What Node has under a socket: a libuv pipe. Node keeps it to itself; the kernel's questions need the descriptor. */
export interface Handle {
  readonly fd: number;
  readonly bytesRead: number;
  /** Bytes that were written and wait for the other end to read. */
  readonly writeQueueSize: number;
  reading: boolean;
  onread: unknown;
  useUserBuffer(buffer: Buffer): void;
  readStart(): void;
  readStop(): void;
}

/** Of an accepted connection; nothing is read from it yet. */
export function pausedSocket(descriptor: number): net.Socket {
  // As `pauseOnConnect` does it; of a socket made from a descriptor Node's types do not know the option.
  const options = { fd: descriptor, readable: true, writable: true, pauseOnCreate: true };
  return new net.Socket(options);
}

export function handleOf(socket: net.Socket | net.Server): Handle {
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  if (typeof fd !== 'number' || fd < 0) throw new IdentityError('unavailable', 'the connection is closed');
  return handle as Handle;
}

export const descriptorOf = (socket: net.Socket): number => handleOf(socket).fd;
