/** A proxy as sites have them: it connects where it is told to, for those who have its name and password. */
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { LocalTls } from './local-tls.ts';

export interface ConnectProxyOptions {
  /** Where those names lead that it is asked for; anywhere else is refused with 502. */
  readonly hosts: Readonly<Record<string, string>>;
  /** `name:password`; everybody where absent. */
  readonly who?: string;
  readonly tls?: LocalTls;
}

export class ConnectProxy implements AsyncDisposable {
  /** Whom it was asked for, as it stood there. */
  readonly asked: string[] = [];
  /** Every byte that went through it, towards the server. */
  readonly passed: Buffer[] = [];
  readonly #server: http.Server;
  readonly #open = new Set<Duplex>();
  readonly #scheme: string;

  private constructor({ hosts, who, tls }: ConnectProxyOptions) {
    this.#scheme = tls === undefined ? 'http' : 'https';
    this.#server = tls === undefined ? http.createServer() : https.createServer(tls);
    this.#server.on('connect', ({ url = '', headers }: http.IncomingMessage, socket: Duplex) => {
      this.asked.push(url);
      this.#keep(socket);
      const proof = `Basic ${Buffer.from(who ?? '').toString('base64')}`;
      if (who !== undefined && headers['proxy-authorization'] !== proof) return refuse(socket, '407 Authorise');
      const port = Number(new URL(hosts[url] ?? 'http://0').port);
      if (port === 0) return refuse(socket, '502 Nobody');
      const beyond = net.connect(port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connected\r\n\r\n');
        socket.on('data', (bytes: Buffer) => this.passed.push(bytes));
        socket.pipe(beyond).pipe(socket);
      });
      this.#keep(beyond);
    });
  }

  static async start(options: ConnectProxyOptions): Promise<ConnectProxy> {
    const proxy = new ConnectProxy(options);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  address(who = ''): string {
    const { port } = this.#server.address() as AddressInfo;
    return `${this.#scheme}://${who === '' ? '' : `${who}@`}127.0.0.1:${port}`;
  }

  #keep(socket: Duplex): void {
    this.#open.add(socket);
    socket.on('error', () => socket.destroy()).on('close', () => this.#open.delete(socket));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const refuse = (socket: Duplex, status: string): void => {
  socket.end(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\n\r\n`);
};
