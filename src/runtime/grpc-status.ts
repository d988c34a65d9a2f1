import type http2 from 'node:http2';
import { grpcStatus, IdentityError } from '../errors.ts';
import { encodeStatusMessage } from './grpc-frames.ts';

const INTERNAL = 13;

export const responseHeaders = { ':status': 200, 'content-type': 'application/grpc' };

/** The trailers that end a call. What is not an IdentityError is a mistake of ours, of which callers learn no more. */
export function statusOf(error: Error | undefined): http2.OutgoingHttpHeaders {
  if (error === undefined) return { 'grpc-status': '0' };
  const status = error instanceof IdentityError ? grpcStatus(error.code) : INTERNAL;
  return { 'grpc-status': String(status), 'grpc-message': encodeStatusMessage(error.message) };
}
