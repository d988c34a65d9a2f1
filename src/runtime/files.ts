import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  type Stats,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type ErrorCode, IdentityError } from '../errors.ts';
import { failpoint } from './failpoint.ts';

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** What a path is to hold. */
export interface Content {
  readonly path: string;
  readonly bytes: Uint8Array | string;
  /** 0600 where absent. */
  readonly mode?: number;
}

/**
 * Replaces `path` by `bytes`: afterwards, whatever is cut when, the file is the old one or the new one, whole. The
 * temporary file lies beside it under one fixed name, so that what a crash leaves behind is replaced by the next write
 * and does not pile up; each file has one writer.
 */
export function writeFileAtomic(path: string, bytes: Uint8Array | string, options: { mode?: number } = {}): void {
  writeFilesAtomic([{ path, bytes, ...options }]);
}

/**
 * The same for files that belong together, a certificate and its key: none is replaced before each has been written, so
 * that a full disk leaves all of the old ones, and then they are replaced at one go.
 */
export function writeFilesAtomic(contents: readonly Content[]): void {
  const written: string[] = [];
  let doing = contents[0]?.path;
  try {
    for (const { path, bytes, mode = 0o600 } of contents) {
      doing = path;
      failpoint('file.begin');
      written.push(temporaryOf(path));
      rmSync(temporaryOf(path), { force: true });
      writeNewFile(temporaryOf(path), typeof bytes === 'string' ? Buffer.from(bytes) : bytes, mode);
      failpoint('file.synced');
    }
    for (const { path } of contents) {
      doing = path;
      renameSync(temporaryOf(path), path);
      failpoint('file.renamed');
    }
    for (const directory of new Set(contents.map(({ path }) => dirname(path)))) syncDirectory(directory);
    failpoint('file.listed');
  } catch (error) {
    for (const path of written) tidied(path);
    throw storageError(error, `cannot write ${doing}`);
  }
}

const temporaryOf = (path: string): string => join(dirname(path), `.${basename(path)}.new`);

/** Where the directory itself is the trouble, its trouble is told, and not that of tidying up. */
function tidied(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {}
}

/** Makes a rename, a creation or a removal inside `path` survive a power cut. */
export function syncDirectory(path: string): void {
  const descriptor = openSync(path, O_RDONLY | O_DIRECTORY);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Creates `path` (0700) where it is missing; refuses one that others can enter, that is theirs, or that is a link. */
export function ensurePrivateDirectory(path: string): void {
  try {
    const first = mkdirSync(path, { recursive: true, mode: 0o700 });
    if (first !== undefined) syncCreated(path, first);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw storageError(error, `cannot create the directory ${path}`);
  }
  const stats = lstatSync(path);
  if (stats.isSymbolicLink()) throw unsafe(`${path} is a symbolic link: name the directory itself`);
  if (!stats.isDirectory()) throw unsafe(`${path} is not a directory: move it away`);
  checkPrivate(path, stats, 0o700);
}

/** The bytes of a file that only we can read; refuses any other, one that is too long, and what is no plain file. */
export function readPrivateFile(path: string, maxBytes: number): Buffer {
  // O_NONBLOCK: a pipe in the file's place must not hold us up before fstat has said what it is.
  const descriptor = openOrExplain(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw unsafe(`${path} is not a regular file: move it away`);
    checkPrivate(path, stats, 0o600);
    if (stats.size > maxBytes) throw unsafe(`${path} is longer than ${maxBytes} bytes: it is not what belongs here`);
    return readAll(descriptor, stats.size);
  } finally {
    closeSync(descriptor);
  }
}

/** The text of a file that others write for us, links followed: certificates and tokens are renewed by moving a link. */
export function readSharedFile(path: string, maxBytes: number): string {
  const descriptor = openOrExplain(path, O_RDONLY | O_NONBLOCK);
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw unsafe(`${path} is not a regular file`);
    if (stats.size > maxBytes) throw unsafe(`${path} is longer than ${maxBytes} bytes: it is not what belongs here`);
    return readAll(descriptor, stats.size).toString('utf8');
  } finally {
    closeSync(descriptor);
  }
}

const causes: Readonly<Record<string, { code: ErrorCode; advice: string }>> = {
  ENOSPC: { code: 'resource-exhausted', advice: 'the disk is full: free space; nothing needs a restart' },
  EDQUOT: { code: 'resource-exhausted', advice: 'the disk quota is used up: raise it or free space' },
  EMFILE: { code: 'resource-exhausted', advice: 'too many open files: raise the limit (ulimit -n)' },
  ENFILE: { code: 'resource-exhausted', advice: 'too many open files on this machine: raise fs.file-max' },
  EACCES: { code: 'failed-precondition', advice: 'permission is missing: check owner and mode' },
  EPERM: { code: 'failed-precondition', advice: 'permission is missing: check owner and mode' },
  EROFS: { code: 'failed-precondition', advice: 'the file system is read-only: remount it' },
  ENOTDIR: { code: 'failed-precondition', advice: 'a part of the path is not a directory' },
  ENOENT: { code: 'not-found', advice: 'it does not exist' },
  ELOOP: { code: 'failed-precondition', advice: 'it is a symbolic link: name the file itself' },
};

/** A failed system call in words: what could not be done, why, and what to do. Other errors come back as they are. */
export function storageError(error: unknown, what: string): unknown {
  const code = codeOf(error);
  if (error instanceof IdentityError || code === undefined) return error;
  const known = causes[code] ?? { code: 'unavailable', advice: `the system says ${code}: look at the disk's health` };
  return new IdentityError(known.code, `${what}: ${known.advice}`, { cause: error, reason: code });
}

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;

const unsafe = (message: string): IdentityError => new IdentityError('failed-precondition', message);

function checkPrivate(path: string, stats: Stats, mode: 0o600 | 0o700): void {
  const uid = process.geteuid?.();
  if (stats.uid !== uid) {
    throw unsafe(`${path} belongs to uid ${stats.uid}, not to ${uid}: chown ${uid} ${quote(path)}`);
  }
  if ((stats.mode & 0o777 & ~mode) !== 0) {
    const [is, may] = [(stats.mode & 0o777).toString(8).padStart(4, '0'), mode.toString(8).padStart(4, '0')];
    throw unsafe(`${path} has mode ${is}, looser than ${may}: chmod ${may} ${quote(path)}`);
  }
}

const quote = (path: string): string => (/^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`);

/** Each directory that was made is an entry of the one above it: sync those from the innermost outwards. */
function syncCreated(path: string, first: string): void {
  for (let made = path; ; made = dirname(made)) {
    syncDirectory(dirname(made));
    if (made === first || made === dirname(made)) return;
  }
}

function writeNewFile(path: string, bytes: Uint8Array, mode: number): void {
  const descriptor = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    fchmodSync(descriptor, mode);
    for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
    failpoint('file.written');
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function openOrExplain(path: string, flags: number): number {
  try {
    return openSync(path, flags);
  } catch (error) {
    throw storageError(error, `cannot open ${path}`);
  }
}

function readAll(descriptor: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let length = 0;
  for (let got = -1; got !== 0 && length < size; length += got) {
    got = readSync(descriptor, bytes, length, size - length, null);
  }
  return bytes.subarray(0, length);
}
