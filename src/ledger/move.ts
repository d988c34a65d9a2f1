import { copyFile, open, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { IdentityError } from '../errors.ts';
import { failpoint } from '../runtime/failpoint.ts';
import { storageError } from '../runtime/files.ts';
import { syncDirectoryInPool } from './disk.ts';

/** Moves a file, also to another file system: it is whole and durable there before it is gone here. */
export async function moveFile(path: string, directory: string): Promise<void> {
  const [target, temporary] = [join(directory, basename(path)), join(directory, `.${basename(path)}.new`)];
  try {
    if (!(await isThere(target, path))) {
      await rm(temporary, { force: true });
      await copyFile(path, temporary);
      await syncFile(temporary);
      failpoint('ledger.archive-copied');
      await rename(temporary, target);
      await syncDirectoryInPool(directory);
      failpoint('ledger.archive-listed');
    }
  } catch (error) {
    throw storageError(error, `cannot move ${path} to ${directory}`);
  }
  await removeFile(path);
}

export async function removeFile(path: string): Promise<void> {
  try {
    await rm(path);
    failpoint('ledger.archive-removed');
    await syncDirectoryInPool(dirname(path));
  } catch (error) {
    throw storageError(error, `cannot remove ${path}`);
  }
}

/** After a crash in between, the copy may be there already. Another ledger's segment of that name is left alone. */
async function isThere(target: string, path: string): Promise<boolean> {
  const found = await readFile(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined || found.equals(await readFile(path))) return found !== undefined;
  throw new IdentityError('already-exists', `${target} is another ledger's: name an archive directory of its own`);
}

async function syncFile(path: string): Promise<void> {
  await using file = await open(path, 'r');
  await file.sync();
}
