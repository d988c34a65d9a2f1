/**
 * An endpoint for programs of this user, as the SDKs of clouds know some: plain HTTP on this machine's own address, with a word
 * that has to be sent along. Who else is on this machine can connect, but has not the word; a web page can neither send it nor be
 * answered; a proxy that was talked into asking says so in its headers.
 */
import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { httpStatus, IdentityError } from '../errors.ts';

export interface LocalEndpointParts {
  /** What `Authorization` has to be, byte for byte. */
  readonly word: string;
  /** The only one that is here, from the slash on. */
  readonly path: string;
  readonly type: 'application/json' | 'text/plain';
  readonly body: () => Promise<string>;
  /** 0: one that is free. */
  readonly port: number;
}

export interface LocalEndpoint extends AsyncDisposable {
  readonly url: string;
}

const address = '127.0.0.1';
const requestMs = 5_000;
/** Of one program and its children; whoever has more is not served beyond these. */
const mostConnections = 256;
/** Added by whatever passes a request on: SSRF through a proxy ends here. */
const passedOn = ['x-forwarded-for', 'forwarded', 'via', 'origin', 'referer', 'sec-fetch-site'];

export async function startLocalEndpoint(parts: LocalEndpointParts): Promise<LocalEndpoint> {
  const limits = { maxHeaderSize: 8 * 1024, headersTimeout: requestMs, requestTimeout: requestMs };
  const server = createServer(limits, (request, response) => void answer(request, response, parts));
  server.maxConnections = mostConnections;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(cannotListen(parts.port, cause)));
    server.listen(parts.port, address, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${address}:${port}${parts.path}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { word, path, type, body }: LocalEndpointParts,
): Promise<void> {
  response.on('error', () => response.destroy());
  // A body is nothing that we read; the connection ends with it.
  response.shouldKeepAlive &&=
    request.headers['content-length'] === undefined && request.headers['transfer-encoding'] === undefined;
  try {
    check(request, word, path);
    send(response, 200, type, await body());
  } catch (error) {
    const known = error instanceof IdentityError ? error : new IdentityError('unavailable', 'internal error');
    const document = JSON.stringify({ Code: codeOf(known), Message: known.message });
    send(response, httpStatus(known.code), 'application/json', document);
  }
}

/** In this order: nothing is said about the word to whoever should not be here at all. */
function check({ method, url, headers }: IncomingMessage, word: string, path: string): void {
  if (passedOn.some((name) => headers[name] !== undefined)) throw refusal('it was passed on by somebody else');
  if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(headers.host ?? '')) throw refusal('it was meant for another host');
  if (url !== path) throw new IdentityError('not-found', `only ${path} is here`);
  if (method !== 'GET') throw new IdentityError('invalid-argument', 'only GET is answered');
  if (!same(headers.authorization ?? '', word)) throw refusal('its Authorization is not the word of this endpoint');
}

function same(given: string, word: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(word)];
  return one.length === other.length && timingSafeEqual(one, other);
}

const refusal = (why: string): IdentityError =>
  new IdentityError('permission-denied', `this request is refused: ${why}`);

function send(response: ServerResponse, status: number, type: string, body: string): void {
  if (response.destroyed) return;
  const about = {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
  };
  response.writeHead(status, about).end(body);
}

/** AWS's own word where there is one: SDKs show it. */
function codeOf(error: IdentityError): string {
  const { fault } = error as { readonly fault?: unknown };
  const { fault: beneath } = (error.cause ?? {}) as { readonly fault?: unknown };
  return [fault, beneath].find((word) => typeof word === 'string') ?? error.code;
}

const cannotListen = (port: number, cause: unknown): IdentityError =>
  new IdentityError('failed-precondition', `cannot listen on ${address}:${port}; choose another port`, { cause });
