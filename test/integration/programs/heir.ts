/** Speaks HTTP/2 on a connection that another program made and left behind: descriptor number in the last argument. */
import http2 from 'node:http2';
import net from 'node:net';

const socket = new net.Socket({ fd: Number(process.argv.at(-1)), readable: true, writable: true });
const session = http2.connect('http://localhost', { createConnection: () => socket });
const tell = (outcome: object): void => {
  process.stdout.write(`${JSON.stringify(outcome)}\n`, () => process.exit());
};
session.on('error', (error) => tell({ closed: String(error) }));
session.on('close', () => tell({ closed: 'the connection was closed' }));
const stream = session.request({
  ':method': 'POST',
  ':path': '/SpiffeWorkloadAPI/FetchX509SVID',
  'content-type': 'application/grpc',
  te: 'trailers',
  'workload.spiffe.io': 'true',
});
stream.on('response', (headers) => headers['grpc-status'] && tell({ status: Number(headers['grpc-status']) }));
stream.on('trailers', (trailers) => tell({ status: Number(trailers['grpc-status']) }));
stream.on('data', (bytes: Buffer) => tell({ message: bytes.subarray(5).toString('base64') }));
stream.on('error', (error) => tell({ closed: String(error) }));
stream.end(Buffer.alloc(5));
