import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
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
  const [leaf] = socket.authorized ? peerChain(socket.getPeerCertificate(true)) : [];
  if (leaf === undefined)
    throw new IdentityError('permission-denied', 'The peer of this connection is not authorized.');
  return parseX509Svid(leaf).id;
}

/** First who it is, by the bundle of the trust domain it names; then whether it may (X509-SVID section 5). */
export function admit(chain: readonly Buffer[], source: X509Source, authorize: Authorize): SpiffeId {
  const peer = source.verify(chain);
  if (!authorize(peer)) throw new IdentityError('permission-denied', 'The peer is not authorized.', { reason: peer });
  return peer;
}

/** What the peer sent, leaf first. Node adds the root that it found itself, which proves nothing here. */
export function peerChain(leaf: DetailedPeerCertificate): Buffer[] {
  const chain: Buffer[] = [];
  let certificate: DetailedPeerCertificate | undefined = leaf;
  while (certificate?.raw !== undefined) {
    const issuer: DetailedPeerCertificate | undefined = certificate.issuerCertificate;
    const root = issuer === certificate && certificate !== leaf;
    if (!root) chain.push(certificate.raw);
    certificate = issuer === certificate ? undefined : issuer;
  }
  return chain;
}
