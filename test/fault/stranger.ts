/** Somebody who is owed nothing. */
import http2 from 'node:http2';
import net from 'node:net';

/** Resolves with the gRPC status; '' where the connection was cut. */
export async function callAsStranger(socket: string, method: string, request: Buffer): Promise<string> {
  const session = http2.connect('http://localhost', { createConnection: () => net.connect(socket) });
  session.on('error', () => undefined);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(request.length, 1);
  const path = `/SpiffeWorkloadAPI/${method}`;
  const headers = {
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    'workload.spiffe.io': 'true',
  };
  const stream = session.request(headers);
  let status = '';
  const note = (answered: http2.IncomingHttpHeaders): void => {
    status = String(answered['grpc-status'] ?? status);
  };
  stream
    .on('response', note)
    .on('trailers', note)
    .on('error', () => undefined)
    .resume();
  stream.end(Buffer.concat([head, request]));
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => stream.close(), 20_000);
    stream.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
  session.destroy();
  return status;
}
