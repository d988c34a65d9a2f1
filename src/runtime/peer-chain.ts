import type { DetailedPeerCertificate } from 'node:tls';

/** What the other end of a TLS connection sent, leaf first. Node adds the root that it found itself, which proves nothing. */
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
