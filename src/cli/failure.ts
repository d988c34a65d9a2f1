import { advice, type ErrorCode, exitCode, IdentityError } from '../errors.ts';
import { systemRandom } from '../runtime/random.ts';

/** A refusal that knows its next step better than the table in errors.ts. */
export class CommandError extends IdentityError {
  readonly advice: string;

  constructor(code: ErrorCode, message: string, nextStep: string, options: { cause?: unknown } = {}) {
    super(code, message, options);
    this.advice = nextStep;
  }
}

/** The server met a defect of its own; its message carries the incident that its log explains. */
export class RemoteFault extends Error {}

/** What a person or a program is told; `trace` only for a defect of ours, and only for people. */
export interface Failure {
  readonly code: ErrorCode | 'internal';
  readonly message: string;
  readonly advice: string;
  readonly exit: number;
  readonly trace?: string;
}

export function failureOf(error: unknown): Failure {
  if (error instanceof IdentityError) {
    const next = error instanceof CommandError ? error.advice : advice(error.code);
    return { code: error.code, message: error.message, advice: next, exit: exitCode(error.code) };
  }
  if (error instanceof RemoteFault) {
    return { code: 'internal', message: error.message, advice: 'Look for it in the log of `mayfly up`.', exit: 1 };
  }
  return defect(error);
}

function defect(error: unknown): Failure {
  const message = `internal error, incident ${systemRandom.uuid()}`;
  const next = 'This is a defect of mayfly. Please report it with the lines that follow.';
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: 'internal', message, advice: next, exit: 1, trace };
}

export const formatFailure = (failure: Failure): string => {
  const { message, advice: next, trace } = failure;
  return `error: ${message}\n  ${next}\n${trace === undefined ? '' : `${trace}\n`}`;
};

export const failureDocument = ({ code, message, advice: next }: Failure): string =>
  `${JSON.stringify({ error: { code, message, advice: next } })}\n`;
