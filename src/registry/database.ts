import { closeSync, lstatSync, openSync, renameSync, rmSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { IdentityError } from '../errors.ts';
import { failpoint } from '../runtime/failpoint.ts';
import { ensurePrivateDirectory, syncDirectory } from '../runtime/files.ts';
import { isUnreadable, restore } from './database-error.ts';
import { checkSchema, migrate } from './schema.ts';

/** How long to wait for another process that is just closing the file. */
const busyMs = 1000;
const sidecars = ['-wal', '-shm', '-journal'];

/**
 * Makes a registry where there is none, under another name first: after a crash there is a whole one or none, so an
 * empty or half a file is always damage and never a beginning.
 */
export function createIfMissing(path: string, fill: (database: DatabaseSync) => void): void {
  ensurePrivateDirectory(dirname(path));
  if (statsOf(path) !== undefined) return;
  if (statsOf(`${path}-wal`) !== undefined) {
    throw damaged(`${path} is gone and its write-ahead log is still there: put the file back from where it was moved`);
  }
  const temporary = `${path}.new`;
  for (const suffix of ['', ...sidecars]) rmSync(temporary + suffix, { force: true });
  // SQLite gives its other files the mode of this one.
  closeSync(openSync(temporary, 'wx', 0o600));
  failpoint('registry.created');
  const database = new DatabaseSync(temporary);
  try {
    makeDurable(database, temporary);
    migrate(database);
    fill(database);
  } finally {
    database.close();
  }
  failpoint('registry.filled');
  renameSync(temporary, path);
  failpoint('registry.placed');
  syncDirectory(dirname(path));
}

/**
 * Reads before anything may write: a connection that can write would, on closing, copy the write-ahead log of a damaged
 * registry into it, and there would be less to restore from.
 */
export async function inspect<T>(path: string, read: (database: DatabaseSync) => Promise<T>): Promise<T> {
  for (const suffix of ['', ...sidecars]) checkPrivate(path + suffix);
  const database = new DatabaseSync(path, { readOnly: true, timeout: busyMs });
  try {
    checkSchema(database, path);
    quickCheck(database, path);
    return await read(database);
  } catch (error) {
    throw isUnreadable(error) ? damaged(`${path} is damaged: ${restore}`, error) : error;
  } finally {
    database.close();
  }
}

/** The one connection that writes. Memory holds a copy of what is inside, so nobody else may write as long as it is open. */
export function openForWriting(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: busyMs, enableForeignKeyConstraints: true });
  try {
    makeDurable(database, path);
    // What was read of an older format was found whole: now it may have the tables of this one.
    migrate(database);
    failpoint('registry.migrated');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** WAL with synchronous=NORMAL would lose acknowledged commits on power loss. */
function makeDurable(database: DatabaseSync, path: string): void {
  database.exec(`
    pragma locking_mode = exclusive; pragma journal_mode = wal; pragma synchronous = full;
    pragma trusted_schema = off; pragma cell_size_check = on; pragma temp_store = memory;
    pragma cache_size = -8000; pragma journal_size_limit = 4194304`);
  const mode = database.prepare('pragma journal_mode').get()?.['journal_mode'];
  const synchronous = database.prepare('pragma synchronous').get()?.['synchronous'];
  if (mode !== 'wal' || synchronous !== 2) {
    throw new IdentityError('failed-precondition', `the file system of ${path} cannot keep a write-ahead log; move it`);
  }
}

function quickCheck(database: DatabaseSync, path: string): void {
  const [first] = database.prepare('pragma quick_check(1)').all();
  const words = String(first?.['quick_check'])
    .replaceAll(/\*\*\*.*?\*\*\*|\s+/g, ' ')
    .trim();
  if (words !== 'ok') throw damaged(`${path} is damaged (${words}): ${restore}`);
}

function checkPrivate(path: string): void {
  const stats = statsOf(path);
  if (stats === undefined) return;
  const [uid, mode] = [process.geteuid?.(), (stats.mode & 0o777).toString(8).padStart(4, '0')];
  const refuse = (message: string): never => {
    throw new IdentityError('failed-precondition', message);
  };
  if (!stats.isFile()) refuse(`${path} is not a regular file: move it away`);
  if (stats.uid !== uid) refuse(`${path} belongs to uid ${stats.uid}, not to ${uid}: chown ${uid} ${path}`);
  if ((stats.mode & 0o077) !== 0) refuse(`${path} has mode ${mode}, looser than 0600: chmod 0600 ${path}`);
}

const statsOf = (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false });

const damaged = (message: string, cause?: unknown): IdentityError => new IdentityError('data-loss', message, { cause });
