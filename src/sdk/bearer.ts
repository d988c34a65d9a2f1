import { Metadata } from '@grpc/grpc-js';
import type { JwtSvid } from '../spiffe/jwt-svid.ts';

/**
 * The HTTP header that presents a JWT-SVID (JWT-SVID section 5.2). Only over TLS: whoever reads it can use it.
 *
 * @example await fetch('https://payments', { headers: authorizationHeader(svid) });
 */
export const authorizationHeader = (svid: Pick<JwtSvid, 'token'>): { readonly Authorization: string } => ({
  Authorization: `Bearer ${svid.token}`,
});

/**
 * The gRPC metadata that presents a JWT-SVID (JWT-SVID section 5.3).
 *
 * @example client.pay(request, authorizationMetadata(svid), done);
 */
export function authorizationMetadata(svid: Pick<JwtSvid, 'token'>): Metadata {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${svid.token}`);
  return metadata;
}

/**
 * The token of an Authorization header; undefined when it holds no bearer token.
 *
 * @example source.validate(bearerToken(request.headers.authorization) ?? '', 'payments');
 */
export const bearerToken = (authorization: string | undefined): string | undefined =>
  /^Bearer +([^\s]+)$/i.exec(authorization ?? '')?.[1];
