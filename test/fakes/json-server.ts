/** A real HTTP(S) server for a recorded JSON contract, with what goes wrong at such servers as a switch. */
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { LocalTls } from './local-tls.ts';

export interface Asked {
  readonly method: string;
  /** Path and query. */
  readonly url: URL;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
  /** Of the client, where it showed one: what it is made out to. */
  readonly shown: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Trouble = 'away' | 'silent' | 'garbage' | 'endless' | 'redirect';

type Handler = (asked: Asked) => Answer | Promise<Answer>;

/** A mistake in a fake is an answer, so that the test that meets it says so. */
const answerOf = async (handle: Handler, asked: Asked): Promise<Answer> => {
  try {
    return await handle(asked);
  } catch (error) {
    return { status: 500, body: { errors: [String(error)] } };
  }
};

export class JsonServer implements AsyncDisposable {
  /** What happens to every request from now on. */
  trouble: Trouble | Answer | undefined;
  /** Cuts the connection once, or from then on: before a request is done, or when it was done and is to be answered. */
  cut: { passes: number; readonly loses: 'request' | 'answer'; readonly times: 'once' | 'for good' } | undefined;
  readonly asked: Asked[] = [];
  readonly #server: http.Server;
  readonly #secure: boolean;

  private constructor(server: http.Server, secure: boolean) {
    this.#server = server;
    this.#secure = secure;
  }

  static async start(handle: Handler, tls?: LocalTls): Promise<JsonServer> {
    const listener: http.RequestListener = (request, response) => void serve.#serve(handle, request, response);
    const server =
      tls === undefined
        ? http.createServer(listener)
        : https.createServer({ ...tls, requestCert: true, rejectUnauthorized: false }, listener);
    const serve = new JsonServer(server, tls !== undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return serve;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get address(): string {
    return `${this.#secure ? 'https' : 'http'}://127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #cuts(): 'request' | 'answer' | undefined {
    const { cut } = this;
    if (cut === undefined || --cut.passes >= 0) return undefined;
    if (cut.times === 'once') this.cut = undefined;
    return cut.loses;
  }

  async #serve(handle: Handler, request: http.IncomingMessage, response: http.ServerResponse) {
    let text = '';
    for await (const part of request.setEncoding('utf8')) text += part;
    const url = new URL(request.url ?? '', this.address);
    const asked = { method: request.method ?? '', url, headers: request.headers, text, shown: shownIn(request.socket) };
    this.asked.push(asked);
    const cut = this.#cuts();
    if (cut === 'request') return void response.destroy();
    const { trouble } = this;
    if (typeof trouble === 'string') return troubles[trouble](response);
    const { status, body, headers } = trouble ?? (await answerOf(handle, asked));
    if (cut === 'answer') return void response.destroy();
    const json = body === undefined ? '' : JSON.stringify(body);
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(json);
  }
}

const shownIn = (socket: Socket): string | undefined =>
  socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.subject : undefined;

const troubles: Readonly<Record<Trouble, (response: http.ServerResponse) => void>> = {
  away: (response) => void response.destroy(),
  silent: () => undefined,
  garbage: (response) => void response.writeHead(200).end('<html>hello</html>'),
  endless: (response) => {
    response.writeHead(200);
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(64 * 1024, ' ')));
      if (!response.destroyed) response.once('drain', more);
    };
    more();
  },
  redirect: (response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
};
