/**
 * The OIDC issuer over HTTP: discovery and keys for relying parties that know nothing of SPIFFE. They ask when a token
 * is already in their hands, and some give up after seconds or when they are told to slow down: an answer is bytes that
 * are there, and whoever is slow is slow to themselves.
 */
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { IdentityError } from '../errors.ts';
import type { Watch } from '../runtime/watch.ts';
import type { TokenKey } from '../spiffe/oidc.ts';
import { limitConnections } from './connection-limits.ts';
import type { EndpointIdentity } from './endpoint-identity.ts';
import { type IssuerDocument, type IssuerDocuments, type IssuerSettings, issuerDocuments } from './issuer-documents.ts';
import { webTls } from './web-tls.ts';

export interface IssuerEndpointParts extends IssuerSettings {
  readonly host: string;
  readonly port: number;
  /** Without one it is plain HTTP, for a proxy on this host. */
  readonly identity: EndpointIdentity | undefined;
  readonly keys: Watch<readonly TokenKey[]>;
  /** A key is published that long before it signs. */
  readonly leadMs: number;
  readonly counted: (status: number) => void;
}

export interface IssuerEndpoint {
  readonly address: string;
  problem(): string | undefined;
  /** Looks at the certificate's files at once. */
  reread(): void;
  close(): Promise<void>;
}

const requestMs = 5_000;
const http: ServerOptions = {
  maxHeaderSize: 8 * 1024,
  headersTimeout: requestMs,
  requestTimeout: requestMs,
  connectionsCheckingInterval: 1_000,
};
/** A proxy speaks for everybody, and keeps connections longer than whoever comes for two documents. */
const behindProxy = { connections: 1_024, perAddress: Infinity, idleMs: 75_000 };
/** A handshake takes a millisecond of the thread that serves workloads too: a fifth of it at most. */
const onTheWeb = { connections: 1_024, perAddress: 64, perSecond: 200, idleMs: 5_000 };

const longestMaxAgeSeconds = 300;
/** Whoever asks through a cache knows a new key after a quarter of the time that it is published before it signs. */
const maxAgeShare = 4;

export const maxAgeSeconds = (leadMs: number): number =>
  Math.min(longestMaxAgeSeconds, Math.floor(leadMs / maxAgeShare / 1000));

export async function startIssuerEndpoint(parts: IssuerEndpointParts): Promise<IssuerEndpoint> {
  const { identity, keys } = parts;
  let documents = issuerDocuments(parts, keys.value);
  const changed = keys.onChange((next) => {
    documents = issuerDocuments(parts, next);
  });
  const answer = answering(() => documents, `public, max-age=${maxAgeSeconds(parts.leadMs)}`, parts.counted);
  const server = identity === undefined ? createServer(http, answer) : tlsServer(identity, answer);
  const limits = identity === undefined ? behindProxy : onTheWeb;
  server.keepAliveTimeout = limits.idleMs;
  server.timeout = limits.idleMs + requestMs;
  limitConnections(server, limits);
  const close = async (): Promise<void> => {
    changed[Symbol.dispose]();
    identity?.close();
    await closed(server);
  };
  try {
    const address = await listening(server, parts);
    return { address, problem: () => identity?.problem, reread: () => identity?.reread(), close };
  } catch (cause) {
    await close();
    const message = `cannot listen on ${parts.host}:${parts.port} for the issuer; choose another with --issuer-listen`;
    throw new IdentityError('failed-precondition', message, { cause });
  }
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A new certificate is shown from the next connection on. */
function tlsServer(identity: EndpointIdentity, answer: Answer): TlsServer {
  const server = createTlsServer(
    { ...http, ...webTls, ...identity.current.value, handshakeTimeout: requestMs, ALPNProtocols: ['http/1.1'] },
    answer,
  );
  const renewed = identity.current.onChange((next) => server.setSecureContext({ ...webTls, ...next }));
  server.once('close', () => renewed[Symbol.dispose]());
  return server;
}

const answering =
  (documents: () => IssuerDocuments, cacheControl: string, counted: (status: number) => void): Answer =>
  (request, response) => {
    response.on('error', () => response.destroy());
    // A body is nothing that we read; the connection ends with it.
    if (request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined) {
      response.shouldKeepAlive = false;
    }
    const document = found(documents(), request.url ?? '');
    const status = document === undefined ? 404 : send(document, request, response, cacheControl);
    if (document === undefined) refuse(response, request, 404, 'nothing here\n');
    counted(status);
  };

/** Whoever appends something of their own to the URL is served; `for` says which keys, and is known or is not found. */
function found(documents: IssuerDocuments, url: string): IssuerDocument | undefined {
  const known = documents.get(url);
  const query = url.indexOf('?');
  if (known !== undefined || query < 0) return known;
  const wanted = new URLSearchParams(url.slice(query + 1)).getAll('for');
  const path = url.slice(0, query);
  return documents.get(wanted.length === 0 ? path : `${path}?for=${wanted.join()}`);
}

function send(
  { bytes, etag }: IssuerDocument,
  request: IncomingMessage,
  response: ServerResponse,
  cacheControl: string,
): number {
  const { method, headers } = request;
  if (method !== 'GET' && method !== 'HEAD') return refuse(response, request, 405, 'only GET and HEAD\n');
  const common = [
    ...['etag', etag, 'cache-control', cacheControl],
    ...['access-control-allow-origin', '*', 'x-content-type-options', 'nosniff'],
  ];
  if (matchesTag(headers['if-none-match'], etag)) {
    response.writeHead(304, common).end();
    return 304;
  }
  response.writeHead(200, [...common, 'content-type', 'application/json', 'content-length', `${bytes.length}`]);
  response.end(method === 'HEAD' ? undefined : bytes);
  return 200;
}

function refuse(response: ServerResponse, { method }: IncomingMessage, status: 404 | 405, text: string): number {
  const allow = status === 405 ? ['allow', 'GET, HEAD'] : [];
  const about = ['content-type', 'text/plain; charset=utf-8', 'content-length', `${text.length}`];
  response.writeHead(status, [...allow, ...about]).end(method === 'HEAD' ? undefined : text);
  return status;
}

/** RFC 9110 section 13.1.2. */
const matchesTag = (asked: string | undefined, etag: string): boolean =>
  asked?.split(',').some((one) => [etag, '*'].includes(one.trim().replace(/^W\//, ''))) ?? false;

function listening(server: Server | TlsServer, { host, port, identity }: IssuerEndpointParts): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      const { address, port: bound, family } = server.address() as AddressInfo;
      const at = family === 'IPv6' ? `[${address}]` : address;
      resolve(`${identity === undefined ? 'http' : 'https'}://${at}:${bound}`);
    });
  });
}

function closed(server: Server | TlsServer): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections();
  return promise;
}
