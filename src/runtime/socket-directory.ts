/** Where a socket may lie: nobody else may put one of theirs in its place (SE-06). */
import { chmodSync, lstatSync, mkdirSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { IdentityError } from '../errors.ts';

/** 0o666: every local user may connect, attestation is the gate. 0o600: the operator alone. */
export type SocketMode = 0o666 | 0o600;

/** The first directory on the way to `path` that other users cannot pass, so that a socket there is for the owner alone. */
export function closedDirectory(path: string): string | undefined {
  for (let at = dirname(path); at !== dirname(at); at = dirname(at)) if ((lstatSync(at).mode & 0o001) === 0) return at;
  return undefined;
}

/**
 * Whoever may write the directory, or one above it, may put a socket of their own there and feed callers false roots.
 * What is there is judged before anything is made in it, and as a whole afterwards.
 */
export function prepareDirectory(directory: string, mode: SocketMode): void {
  const present = firstPresent(directory);
  assertClosed(present, present === directory);
  if (present === directory) return;
  const wanted = mode === 0o666 ? 0o755 : 0o700;
  mkdirSync(directory, { recursive: true, mode: wanted });
  chmodSync(directory, wanted);
  assertClosed(directory, true);
}

/** Of a socket that is another's, before something is believed that comes from it. */
export function requireClosed(path: string): void {
  const directory = dirname(path);
  if (lstatSync(directory, { throwIfNoEntry: false }) === undefined) {
    throw new IdentityError('unavailable', `there is no directory ${directory}`);
  }
  assertClosed(directory, true);
}

function firstPresent(directory: string): string {
  for (let at = directory; ; at = dirname(at)) {
    if (lstatSync(at, { throwIfNoEntry: false }) !== undefined || at === dirname(at)) return at;
  }
}

/** @param isLeaf the socket is to lie in it: then even a sticky directory is too open */
function assertClosed(directory: string, isLeaf: boolean): void {
  for (let at = directory, leaf = isLeaf; ; at = dirname(at), leaf = false) {
    const stats = lstatSync(at);
    if (!stats.isDirectory()) throw refusal(`${at} is not a directory; a socket path may not lead through a link`);
    const fault = faultOf(stats, leaf);
    if (fault !== undefined) throw refusal(`the socket directory ${at} ${fault}; choose another, or: chmod go-w ${at}`);
    if (at === dirname(at)) return;
  }
}

function faultOf(stats: Stats, leaf: boolean): string | undefined {
  const sticky = (stats.mode & 0o1000) !== 0;
  if (stats.uid !== 0 && stats.uid !== process.geteuid?.()) return `belongs to uid ${stats.uid}`;
  if ((stats.mode & 0o022) !== 0 && (leaf || !sticky)) return 'can be written by others';
  return undefined;
}

const refusal = (message: string): IdentityError => new IdentityError('failed-precondition', message);
