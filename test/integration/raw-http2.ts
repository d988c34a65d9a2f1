/** HTTP/2 as bytes and headers, beneath every gRPC library: what a server says to callers that gRPC would not make. */
import http2 from 'node:http2';
import net from 'node:net';

export interface RawCall {
  readonly path: string;
  readonly authority?: string;
  readonly headers?: http2.OutgoingHttpHeaders;
  /** Written as it is; `frame` makes a gRPC message of bytes. Absent: one empty message. */
  readonly body?: Buffer;
  /** As if more of the body were to come. */
  readonly unfinished?: boolean;
}

export interface RawAnswer {
  readonly httpStatus: number | undefined;
  readonly contentType: string | undefined;
  readonly grpcStatus: number | undefined;
  readonly grpcMessage: string;
  readonly messages: readonly Buffer[];
  /** Set when HTTP/2 itself refused. */
  readonly failure: string | undefined;
}

/** A gRPC message: not compressed, length, bytes. */
export function frame(message: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

const required = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' };
export const security = { 'workload.spiffe.io': 'true' };

/** One call on a connection of its own; answers when the status or the first message has come. */
export async function rawCall(socketPath: string, call: RawCall, withinMs = 30_000): Promise<RawAnswer> {
  const authority = call.authority === undefined ? {} : { ':authority': call.authority };
  const session = http2.connect('http://localhost', { createConnection: () => net.connect(socketPath) });
  try {
    return await new Promise<RawAnswer>((resolve) => {
      const answer = new Answer(resolve);
      session.on('error', (error) => answer.fail(String(error)));
      session.on('close', () => answer.fail('the connection was closed'));
      const headers = { ...required, ':path': call.path, ...authority, ...(call.headers ?? security) };
      const stream = session.request(headers, { endStream: false });
      answer.follow(stream);
      const body = call.body ?? frame(Buffer.alloc(0));
      if (call.unfinished) stream.write(body);
      else stream.end(body);
      setTimeout(() => answer.fail(`no answer within ${withinMs} ms`), withinMs).unref();
    });
  } finally {
    session.destroy();
  }
}

class Answer {
  readonly #resolve: (answer: RawAnswer) => void;
  #headers: http2.IncomingHttpHeaders = {};
  #trailers: http2.IncomingHttpHeaders = {};
  #bytes = Buffer.alloc(0);

  constructor(resolve: (answer: RawAnswer) => void) {
    this.#resolve = resolve;
  }

  follow(stream: http2.ClientHttp2Stream): void {
    stream.on('response', (headers) => {
      this.#headers = headers;
    });
    stream.on('trailers', (trailers) => {
      this.#trailers = trailers;
    });
    stream.on('data', (bytes: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      if (this.#messages().length > 0) this.#finish(undefined);
    });
    stream.on('error', (error) => this.fail(String(error)));
    stream.on('end', () => setImmediate(() => this.#finish(undefined)));
    stream.on('close', () => this.#finish(undefined));
  }

  fail(why: string): void {
    this.#finish(why);
  }

  #finish(failure: string | undefined): void {
    const status = this.#trailers['grpc-status'] ?? this.#headers['grpc-status'];
    this.#resolve({
      httpStatus: Number(this.#headers[':status'] ?? 0) || undefined,
      contentType: this.#headers['content-type'],
      grpcStatus: status === undefined ? undefined : Number(status),
      grpcMessage: decodeURIComponent(String(this.#trailers['grpc-message'] ?? this.#headers['grpc-message'] ?? '')),
      messages: this.#messages(),
      failure,
    });
  }

  #messages(): Buffer[] {
    const messages: Buffer[] = [];
    for (let at = 0; at + 5 <= this.#bytes.length; ) {
      const end = at + 5 + this.#bytes.readUInt32BE(at + 1);
      if (end > this.#bytes.length) break;
      messages.push(this.#bytes.subarray(at + 5, end));
      at = end;
    }
    return messages;
  }
}

/** Writes bytes to the socket and hands back what comes until the other side closes or `forMs` have passed. */
export function rawBytes(
  socketPath: string,
  bytes: string | Buffer,
  forMs = 1_500,
): Promise<{ text: string; closed: boolean }> {
  return new Promise((resolve) => {
    let text = '';
    const socket = net.connect(socketPath, () => socket.write(bytes));
    const finish = (closed: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ text, closed });
    };
    const timer = setTimeout(() => finish(false), forMs);
    socket.on('data', (data) => {
      text += data.toString('latin1');
    });
    socket.on('close', () => finish(true));
    socket.on('error', () => finish(true));
  });
}
