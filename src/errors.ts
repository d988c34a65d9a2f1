/**
 * What is expected to go wrong. Three species (docs/architecture.md): an `IdentityError` is a refusal with a code and
 * a sentence for the caller; a `TypeError` is wrong use by our own code; anything else is a bug and leaves the process
 * as "internal error" with an incident id.
 */

/** One row per code: how each wire says it, and what the one who reads it should do. */
const table = {
  'invalid-argument': { grpc: 3, http: 400, exit: 2, advice: 'Correct the request; sending it again changes nothing.' },
  'permission-denied': { grpc: 7, http: 403, exit: 3, advice: 'Ask an operator; `mayfly explain --pid` says why.' },
  'not-found': {
    grpc: 5,
    http: 404,
    exit: 4,
    advice: 'Check the name; the matching `list` command shows what exists.',
  },
  'already-exists': { grpc: 6, http: 409, exit: 5, advice: 'Choose another name, or update what exists.' },
  'failed-precondition': {
    grpc: 9,
    http: 409,
    exit: 6,
    advice: 'Bring the system into the state that is named, then repeat.',
  },
  'resource-exhausted': { grpc: 8, http: 429, exit: 7, advice: 'Wait, or raise the limit that is named.' },
  unavailable: { grpc: 14, http: 503, exit: 8, advice: 'Try again with a growing pause.' },
  unimplemented: { grpc: 12, http: 501, exit: 9, advice: 'Do not try again; this server does not offer it.' },
  'data-loss': {
    grpc: 15,
    http: 500,
    exit: 10,
    advice: 'Stop and restore from a good copy; nothing is signed meanwhile.',
  },
  cancelled: { grpc: 1, http: 499, exit: 130, advice: 'The caller gave up.' },
  'deadline-exceeded': { grpc: 4, http: 504, exit: 8, advice: 'Try again with a longer deadline.' },
} as const;

export type ErrorCode = keyof typeof table;

/** An expected refusal. `message` may be read by a stranger: no token, key, selector, proof or other identity in it. */
export class IdentityError extends Error {
  override readonly name = 'IdentityError';
  readonly code: ErrorCode;
  /** For the operator's log only: which rule said no. */
  readonly reason: string | undefined;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; reason?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.reason = options.reason;
  }
}

export const grpcStatus = (code: ErrorCode): number => table[code].grpc;
export const httpStatus = (code: ErrorCode): number => table[code].http;
export const exitCode = (code: ErrorCode): number => table[code].exit;
export const advice = (code: ErrorCode): string => table[code].advice;

/** The code that a gRPC status stands for; undefined for OK, UNKNOWN and INTERNAL. */
export function codeOfGrpcStatus(status: number): ErrorCode | undefined {
  return (Object.keys(table) as ErrorCode[]).find((code) => table[code].grpc === status);
}

/** Every code with its statuses, for the generated reference. */
export const errorTable = (): readonly {
  code: ErrorCode;
  grpc: number;
  http: number;
  exit: number;
  advice: string;
}[] => (Object.keys(table) as ErrorCode[]).map((code) => ({ code, ...table[code] }));
