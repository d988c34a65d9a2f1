/**
 * A workload of its own: a process that becomes the user it is told, then speaks bare gRPC over a socket, as its parent
 * orders.
 */
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { become } from '../fakes/become.ts';

export type Order =
  | {
      readonly id: number;
      readonly kind: 'unary' | 'stream';
      readonly path: string;
      readonly request: Uint8Array;
      readonly metadata: readonly (readonly [string, string])[];
    }
  | { readonly id: number; readonly kind: 'cancel' };

export type Report =
  | { readonly id: number; readonly message: Uint8Array; readonly at: number }
  | { readonly id: number; readonly code: number; readonly text: string; readonly at: number };

const [, , endpoint = '', uid = '', gid = ''] = process.argv;
become(Number(uid), Number(gid));
const client = new Client(endpoint, credentials.createInsecure(), {
  'grpc.use_local_subchannel_pool': 1,
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 100,
  'grpc.max_receive_message_length': 4 * 1024 * 1024,
});
const calls = new Map<number, { cancel(): void }>();
const asIs = (bytes: Buffer): Buffer => bytes;

process.on('message', (order: Order) => {
  if (order.kind === 'cancel') calls.get(order.id)?.cancel();
  else begin(order);
});
process.on('disconnect', () => process.exit());
process.send?.('ready');

function begin(order: Extract<Order, { path: string }>): void {
  const metadata = new Metadata();
  for (const [key, value] of order.metadata) metadata.add(key, value);
  const request = Buffer.from(order.request);
  if (order.kind === 'unary') {
    const done = (error: ServiceError | null, answer?: Buffer): void => {
      if (answer !== undefined) report({ id: order.id, message: answer, at: Date.now() });
      end(order.id, error?.code ?? 0, error?.details ?? '');
    };
    calls.set(order.id, client.makeUnaryRequest(order.path, asIs, asIs, request, metadata, done));
    return;
  }
  const stream = client.makeServerStreamRequest(order.path, asIs, asIs, request, metadata);
  calls.set(order.id, stream);
  stream.on('data', (message: Buffer) => report({ id: order.id, message, at: Date.now() }));
  stream.on('error', () => undefined);
  stream.on('status', ({ code, details }) => end(order.id, code, details));
}

function end(id: number, code: number, text: string): void {
  calls.delete(id);
  report({ id, code, text, at: Date.now() });
}

function report(report: Report): void {
  process.send?.(report);
}
