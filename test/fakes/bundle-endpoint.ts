import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { type FakeCa, type Issued, pemOf } from './ca.ts';

export type Behaviour = (request: IncomingMessage, response: ServerResponse) => void;

/** A real HTTPS server on loopback that answers as it is told, be it a bundle or something hostile. */
export class FakeBundleEndpoint implements AsyncDisposable {
  /** Of every request, in order. */
  readonly requests: { readonly url: string; readonly at: number }[] = [];
  behave: Behaviour;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, behave: Behaviour) {
    this.#server = server;
    this.behave = behave;
    server.on('request', (request, response) => {
      this.requests.push({ url: request.url ?? '', at: Date.now() });
      response.on('error', () => undefined);
      this.behave(request, response);
    });
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket.on('error', () => undefined));
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.on('tlsClientError', () => undefined);
  }

  static async listen(certificate: Issued, behave: Behaviour): Promise<FakeBundleEndpoint> {
    const server = createServer(pemOf(certificate));
    const endpoint = new FakeBundleEndpoint(server, behave);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return endpoint;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}/bundle`;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** From the next connection on. */
  show(certificate: Issued): void {
    this.#server.setSecureContext(pemOf(certificate));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }
}

/** Says this document, as it should be said. */
export const saying =
  (document: string): Behaviour =>
  (_request, response) =>
    void response.writeHead(200, { 'content-type': 'application/json' }).end(document);

/** The certificate of a server of the web at 127.0.0.1 and localhost. */
export const webCertificate = (ca: FakeCa): Issued =>
  ca.issue('/web', { uris: [], dnsNames: ['localhost'], addresses: ['127.0.0.1'] });
