/**
 * What a Node workload imports as `mayfly`: its identity from any SPIFFE Workload API, kept fresh, and TLS by it.
 * This file is the shelf; what a name does is said where it is made.
 */
export { type ErrorCode, IdentityError } from '../errors.ts';
export type { JwtAuthority } from '../spiffe/bundle.ts';
export { SpiffeId, TrustDomain } from '../spiffe/id.ts';
export type { JwtSvid } from '../spiffe/jwt-svid.ts';
export type { X509Svid } from '../spiffe/x509-svid.ts';
export {
  type Authorize,
  authorizeAny,
  authorizeId,
  authorizeIf,
  authorizeMemberOf,
  authorizePath,
} from './authorize.ts';
export { authorizationHeader, authorizationMetadata, bearerToken } from './bearer.ts';
export {
  type CallOptions,
  type JwtSvidRequest,
  type JwtSvidToValidate,
  WorkloadApiClient,
  type WorkloadApiClientOptions,
} from './client.ts';
export { type Endpoint, endpointWarnings, parseEndpoint } from './endpoint.ts';
export type { FetchedJwtSvid, JwtBundles, ValidatedJwtSvid } from './jwt-answers.ts';
export { type JwtFetchOptions, JwtSource, type JwtSourceOptions } from './jwt-source.ts';
export { peerId } from './peer.ts';
export { createAgent, type TlsClientOptions, tlsClientOptions } from './tls-client.ts';
export { type TlsServerOptions, tlsServerOptions } from './tls-server.ts';
export type { WatchOptions } from './watching.ts';
export type { FetchedX509Svid, X509Bundles, X509Context } from './x509-context.ts';
export { X509Source, type X509SourceOptions } from './x509-source.ts';
