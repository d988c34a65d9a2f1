import type { TLSSocket } from 'node:tls';
import { IdentityError } from '../errors.ts';
import type { SpiffeId } from '../spiffe/id.ts';
import { parseX509Svid } from '../spiffe/x509-svid.ts';
import type { Authorize } from './authorize.ts';
import type { X509Source } from './x509-source.ts';

/**
 * The identity at the other end of a connection that these options (of either side) have let through.
 *
 * @example https.createServer(options, (request) => peerId(request.socket as TLSSocket));
 */
export function peerId(socket: TLSSocket): SpiffeId {
  const peer = socket.authorized ? (admittedAt(socket) ?? presentedAt(socket)) : undefined;
  if (peer === undefined)
    throw new IdentityError('permission-denied', 'The peer of this connection is not authorized.');
  return peer;
}

/**
 * First who it is, by the bundle of the trust domain it names; then whether it may (X509-SVID section 5).
 *
 * @param connection what `peerId` will know it by: the socket, or the options it was made of
 */
export function admit(
  chain: readonly Buffer[],
  source: X509Source,
  authorize: Authorize,
  connection: unknown,
): SpiffeId {
  const peer = source.verify(chain);
  if (!authorize(peer)) throw new IdentityError('permission-denied', 'The peer is not authorized.', { reason: peer });
  if (typeof connection === 'object' && connection !== null) admitted.set(connection, peer);
  return peer;
}

/**
 * Who was let in. Kept because a socket shows the certificate of a server only until somebody asks it for an
 * X509Certificate; from then on it has none (nodejs/node#65579, met in 24.21).
 */
const admitted = new WeakMap<object, SpiffeId>();

/** `checkServerIdentity` is a method of the options of one connection, and is shown no socket; the socket keeps them. */
function admittedAt(socket: TLSSocket): SpiffeId | undefined {
  const known = admitted.get(socket);
  if (known !== undefined) return known;
  const kept = Object.getOwnPropertySymbols(socket).map((name): unknown => Reflect.get(socket, name));
  const options = kept.find((value) => typeof value === 'object' && value !== null && admitted.has(value));
  return options === undefined ? undefined : admitted.get(options as object);
}

/** What OpenSSL has verified, on a connection that we did not judge or that HTTP/2 shows only through a proxy. */
function presentedAt(socket: TLSSocket): SpiffeId | undefined {
  // Null on a closed socket, empty where there is none: the type says less.
  const leaf: { readonly raw?: Buffer } | null = socket.getPeerCertificate();
  return leaf?.raw === undefined ? undefined : parseX509Svid(leaf.raw).id;
}
