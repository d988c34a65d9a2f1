import type { SecureContextOptions, Server, TLSSocket, TlsOptions } from 'node:tls';
import { IdentityError } from '../errors.ts';
import { peerChain } from '../runtime/peer-chain.ts';
import type { Authorize } from './authorize.ts';
import { admit } from './peer.ts';
import { protocol, tlsIdentity } from './tls-context.ts';
import { sameBundles, sameCrls, type X509Context } from './x509-context.ts';
import type { X509Source } from './x509-source.ts';

export interface TlsServerOptions extends TlsOptions {
  /** Gives the server its identity, now and after every rotation. Until then it refuses everybody. */
  attach<S extends Server>(server: S): S;
}

/**
 * Options for `https.createServer`, `tls.createServer`, `http2.createSecureServer`, to be attached to what they make:
 * new connections meet our newest SVID and bundles, and no listener ever sees a peer that `authorize` did not let in.
 * Refused peers are heard of as `tlsClientError`.
 *
 * @example
 * const options = tlsServerOptions(source, authorizeMemberOf('example.org'));
 * options.attach(https.createServer(options, handler)).listen(8443);
 */
export function tlsServerOptions(source: X509Source, authorize: Authorize): TlsServerOptions {
  return {
    ...nobody,
    requestCert: true,
    rejectUnauthorized: true,
    attach: (server) => attach(server, source, authorize),
  };
}

function attach<S extends Server>(server: S, source: X509Source, authorize: Authorize): S {
  const peers = new Map<TLSSocket, Admission>();
  const serve = (): void => server.setSecureContext(identityOrNobody(source));
  let judged = source.available ? source.context : undefined;
  const updates = source.onUpdate(() => {
    serve();
    if (!source.available || (judged !== undefined && samePeers(judged, source.context))) return;
    judged = source.context;
    dismiss(peers, source);
  });
  server.once('close', () => updates[Symbol.dispose]());
  const presented = presentedChains(server);
  guard(server, (socket) => {
    const admission = { chain: presented(socket), at: source.clock.now() };
    admit(admission.chain, source, authorize, socket);
    peers.set(socket, admission);
    socket.once('close', () => peers.delete(socket));
  });
  serve();
  return server;
}

interface Admission {
  readonly chain: readonly Buffer[];
  readonly at: number;
}

/** Does the one let in whom the other does? */
const samePeers = (one: X509Context, other: X509Context): boolean =>
  sameBundles(one.bundles, other.bundles) && sameCrls(one.crls, other.crls);

/** No certificate of ours and no root to believe: every handshake fails. */
const nobody = { ...protocol, ca: [] };

function identityOrNobody(source: X509Source): SecureContextOptions {
  try {
    return tlsIdentity(source);
  } catch (error) {
    if (!(error instanceof IdentityError)) throw error;
    return nobody;
  }
}

/**
 * What each client sent, read at the earliest event of its handshake that names its socket. When a connection is told
 * to the listeners, the intermediates are already lost (nodejs/node#65579, met in 24.21). The key material that this
 * event is really about is not looked at.
 */
function presentedChains(server: Server): (socket: TLSSocket) => readonly Buffer[] {
  const chains = new WeakMap<TLSSocket, readonly Buffer[]>();
  server.on('keylog', (_line: Buffer, socket: TLSSocket) => {
    if (chains.has(socket)) return;
    chains.set(socket, []);
    socket.prependOnceListener('secure', () => chains.set(socket, peerChain(socket.getPeerCertificate(true))));
  });
  return (socket) => chains.get(socket) ?? [];
}

/** Stands before every listener of the server, also those added later; a refused peer is gone before they hear. */
function guard(server: Server, check: (socket: TLSSocket) => void): void {
  const emit = server.emit.bind(server) as (event: string, ...args: unknown[]) => boolean;
  const guarded = (event: string, ...args: unknown[]): boolean => {
    if (event !== 'secureConnection') return emit(event, ...args);
    const socket = args[0] as TLSSocket;
    try {
      check(socket);
    } catch (error) {
      socket.destroy();
      return emit('tlsClientError', error, socket);
    }
    return emit(event, ...args);
  };
  Object.assign(server, { emit: guarded });
}

/** A changed bundle is asked again about everybody who came in by the old one; a resting connection is no refuge. */
function dismiss(peers: ReadonlyMap<TLSSocket, Admission>, source: X509Source): void {
  for (const [socket, { chain, at }] of peers) {
    try {
      source.verify(chain, at);
    } catch {
      socket.destroy();
    }
  }
}
