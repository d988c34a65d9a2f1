import type { Server, Socket } from 'node:net';
import { elapsed } from '../runtime/clock.ts';
import { TokenBucket } from '../runtime/token-bucket.ts';

export interface ConnectionLimits {
  readonly connections: number;
  readonly perAddress: number;
  /** New ones of everybody together, twice as many at once: a TLS handshake is work before anything is asked. */
  readonly perSecond?: number;
}

/** Half-open and idle connections end by themselves; until then one address must not have them all. */
export function limitConnections(server: Server, { connections, perAddress, perSecond }: ConnectionLimits): void {
  server.maxConnections = connections;
  const open = new Map<string, number>();
  const bucket = perSecond === undefined ? undefined : new TokenBucket({ most: 2 * perSecond, perSecond }, elapsed());
  server.on('connection', (socket: Socket) => {
    const from = socket.remoteAddress ?? '';
    const count = (open.get(from) ?? 0) + 1;
    if (count > perAddress || bucket?.take(elapsed()) === false) return void socket.destroy();
    open.set(from, count);
    socket.once('close', () => {
      const left = (open.get(from) ?? 1) - 1;
      if (left === 0) open.delete(from);
      else open.set(from, left);
    });
  });
}
