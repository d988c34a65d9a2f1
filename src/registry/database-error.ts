import { type ErrorCode, IdentityError } from '../errors.ts';
import { storageError } from '../runtime/files.ts';

export const restore = 'restore it from a good copy; it was not changed';

/** By primary result code, https://www.sqlite.org/rescode.html: what it means for whoever reads it. */
const refusals: Readonly<Record<number, readonly [ErrorCode, (path: string) => string]>> = {
  3: ['failed-precondition', notWritable], // PERM
  5: ['failed-precondition', (path) => `another program holds ${path} open: stop it first`], // BUSY
  8: ['failed-precondition', notWritable], // READONLY
  10: ['unavailable', (path) => `the disk under ${path} failed: nothing was changed; look at the disk's health`], // IOERR
  11: ['data-loss', (path) => `${path} is damaged: ${restore}`], // CORRUPT
  13: ['resource-exhausted', (path) => `the disk under ${path} is full: nothing was changed; free space, then repeat`], // FULL
  14: ['failed-precondition', notWritable], // CANTOPEN
  26: ['data-loss', (path) => `${path} is not a database, or no longer: ${restore}`], // NOTADB
};
const SQLITE_ERROR = 1;
const SQLITE_CONSTRAINT = 19;

/** A failure of the disk or of SQLite in words: what is wrong, and what to do. Other errors come back as they are. */
export function databaseError(error: unknown, path: string): unknown {
  if (error instanceof Error && 'syscall' in error) return storageError(error, `cannot use the registry ${path}`);
  const [code, message] = refusals[resultOf(error) ?? 0] ?? [];
  return code && message ? new IdentityError(code, message(path), { cause: error }) : error;
}

export const isConstraint = (error: unknown): boolean => resultOf(error) === SQLITE_CONSTRAINT;

/** While reading: a table or a column that is no longer there, a number that was never so large. */
export const isUnreadable = (error: unknown): boolean =>
  resultOf(error) === SQLITE_ERROR || (error as NodeJS.ErrnoException).code === 'ERR_OUT_OF_RANGE';

function notWritable(path: string): string {
  return `${path} cannot be opened for writing: check owner and mode of the file and of its directory`;
}

/** The primary result code; undefined when it was not SQLite that failed. */
function resultOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || (error as NodeJS.ErrnoException).code !== 'ERR_SQLITE_ERROR') return undefined;
  const extended: unknown = Reflect.get(error, 'errcode');
  return typeof extended === 'number' ? extended & 0xff : undefined;
}
