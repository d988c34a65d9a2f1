import type { Server, Socket } from 'node:net';

export interface ConnectionLimits {
  readonly connections: number;
  readonly perAddress: number;
}

/** Half-open and idle connections end by themselves; until then one address must not have them all. */
export function limitConnections(server: Server, { connections, perAddress }: ConnectionLimits): void {
  server.maxConnections = connections;
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const from = socket.remoteAddress ?? '';
    const count = (open.get(from) ?? 0) + 1;
    if (count > perAddress) return void socket.destroy();
    open.set(from, count);
    socket.once('close', () => {
      const left = (open.get(from) ?? 1) - 1;
      if (left === 0) open.delete(from);
      else open.set(from, left);
    });
  });
}
