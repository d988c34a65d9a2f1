/** Our bundle for other trust domains, over HTTPS in either profile (SPIFFE Federation sections 4 and 5). */
import { hash } from 'node:crypto';
import fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import type { CrlSet } from '../authority/authority.ts';
import { IdentityError } from '../errors.ts';
import type { Watch } from '../runtime/watch.ts';
import { type Bundle, formatBundle } from '../spiffe/bundle.ts';
import { encodePem } from '../x509/pem.ts';
import { limitConnections } from './connection-limits.ts';
import type { EndpointIdentity } from './endpoint-identity.ts';
import { webTls } from './web-tls.ts';

export interface BundleEndpointParts {
  readonly host: string;
  readonly port: number;
  /** Of the URL; every other one is not found. */
  readonly path: string;
  readonly connectionsPerSecond: number;
  readonly identity: EndpointIdentity;
  readonly bundle: Watch<Bundle>;
  /** Of the authorities in the bundle: served beside it. */
  readonly crls: Watch<CrlSet>;
}

export interface BundleEndpoint {
  readonly address: string;
  problem(): string | undefined;
  /** Looks at the certificate's files at once. */
  reread(): void;
  close(): Promise<void>;
}

/** Whoever is slow is slow to themselves: a request is a line and some headers, an answer some kilobytes. */
const limits = { connections: 512, perAddress: 64, requestMs: 5_000, idleMs: 5_000, headerBytes: 8 * 1024 };
/** A cache may keep the answer for a hint divided by this. */
const cachedShare = 5;

export async function startBundleEndpoint(parts: BundleEndpointParts): Promise<BundleEndpoint> {
  const { host, port, path, identity, bundle, crls } = parts;
  const server = fastify({
    https: {
      ...webTls,
      ...identity.current.value,
      handshakeTimeout: limits.requestMs,
      maxHeaderSize: limits.headerBytes,
    },
    bodyLimit: 1024,
    requestTimeout: limits.requestMs,
    connectionTimeout: 2 * limits.requestMs,
    keepAliveTimeout: limits.idleMs,
    maxRequestsPerSocket: 100,
    forceCloseConnections: true,
  });
  const [bundleOf, listsOf] = [once(bundleDocument), once(listsDocument)];
  const listsPath = `${path === '/' ? '' : path}/crls.pem`;
  server.get(path, (request, reply) => answer(request, reply, bundleOf(bundle.value)));
  server.get(listsPath, (request, reply) => answer(request, reply, listsOf(crls.value)));
  server.setNotFoundHandler((request, reply) => refuse(request, reply, [path, listsPath]));
  server.server.headersTimeout = limits.requestMs;
  limitConnections(server.server, { ...limits, perSecond: parts.connectionsPerSecond });
  const renewed = identity.current.onChange((next) => server.server.setSecureContext({ ...webTls, ...next }));
  const close = async (): Promise<void> => {
    renewed[Symbol.dispose]();
    identity.close();
    await server.close();
  };
  try {
    const address = await server.listen({ host, port });
    return { address, problem: () => identity.problem, reread: () => identity.reread(), close };
  } catch (cause) {
    await close();
    throw new IdentityError('failed-precondition', `cannot listen on ${host}:${port} for the bundle endpoint`, {
      cause,
    });
  }
}

interface Document {
  readonly type: string;
  readonly bytes: Buffer;
  readonly etag: string;
  readonly cacheControl: string;
}

/** Written once for each value, not for each who asks. */
function once<T extends object>(write: (value: T) => Omit<Document, 'etag'>): (value: T) => Document {
  const written = new WeakMap<T, Document>();
  return (value) => {
    const known = written.get(value);
    if (known !== undefined) return known;
    const plain = write(value);
    const document = { ...plain, etag: `"${hash('sha256', plain.bytes, 'hex').slice(0, 32)}"` };
    written.set(value, document);
    return document;
  };
}

/**
 * Whoever asks at the hint through a cache sees a new key within a hint and a fifth of it: long before it is used, which is
 * five hints after it was published. Bytes, because fastify adds a parameter to the type of text, and what is exactly
 * application/json is taken everywhere.
 */
const bundleDocument = (bundle: Bundle): Omit<Document, 'etag'> => ({
  type: 'application/json',
  bytes: Buffer.from(formatBundle(bundle)),
  cacheControl: `public, max-age=${Math.floor((bundle.refreshHintSeconds ?? 0) / cachedShare)}, must-revalidate`,
});

/** As `openssl verify -crl_check -CRLfile` reads them. What was taken back is asked for anew each time. */
const listsDocument = ({ lists }: CrlSet): Omit<Document, 'etag'> => ({
  type: 'application/x-pem-file',
  bytes: Buffer.from(lists.map((list) => encodePem('X509 CRL', list)).join('')),
  cacheControl: 'no-cache',
});

function answer(request: FastifyRequest, reply: FastifyReply, document: Document): FastifyReply {
  const { type, bytes, etag, cacheControl } = document;
  reply.headers({ etag, 'cache-control': cacheControl, 'x-content-type-options': 'nosniff' });
  if (matchesTag(request.headers['if-none-match'], etag)) return reply.code(304).send();
  return reply.header('content-type', type).send(bytes);
}

/** RFC 9110 section 13.1.2. */
const matchesTag = (asked: string | undefined, etag: string): boolean =>
  (asked ?? '').split(',').some((one) => [etag, '*'].includes(one.trim().replace(/^W\//, '')));

/** FD-42: never a body that could be taken for a bundle. */
function refuse(request: FastifyRequest, reply: FastifyReply, paths: readonly string[]): FastifyReply {
  const found = paths.includes(request.url.split('?')[0] ?? '');
  if (found) reply.header('allow', 'GET, HEAD');
  return reply
    .code(found ? 405 : 404)
    .type('text/plain; charset=utf-8')
    .send(found ? 'only GET and HEAD\n' : 'nothing here\n');
}
