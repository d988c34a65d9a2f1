/**
 * Becomes the user of the second argument, then opens a stream on a connection that a child of its holds too: a shell
 * that, after a while, reads until the server closes. Prints "open" with the first message.
 */
import { spawn } from 'node:child_process';
import http2 from 'node:http2';
import net from 'node:net';
import { become } from '../../fakes/become.ts';

const [, , socketPath = '', uid = ''] = process.argv;
become(Number(uid));
const socket = net.connect(socketPath, () => {
  // By number: a socket that is handed over as an object would be taken away from this process.
  const { fd } = Reflect.get(socket, '_handle') as { fd: number };
  const reader = 'sleep 1; cat >/dev/null; echo closed';
  spawn('/bin/sh', ['-c', reader], { stdio: [fd, 'inherit', 'inherit'], detached: true });
  const session = http2.connect('http://localhost', { createConnection: () => socket });
  const stream = session.request({
    ':method': 'POST',
    ':path': '/SpiffeWorkloadAPI/FetchX509SVID',
    'content-type': 'application/grpc',
    te: 'trailers',
    'workload.spiffe.io': 'true',
  });
  stream.once('data', () => process.stdout.write('open\n'));
  stream.end(Buffer.alloc(5));
});
