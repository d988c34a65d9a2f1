import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { IdentityError } from '../errors.ts';

/** A file that is written at given places. All four run in the thread pool; the event loop never waits for a disk. */
export interface DiskFile {
  write(bytes: Buffer, position: number): Promise<void>;
  /** Resolves once everything written is on the disk. */
  sync(): Promise<void>;
  truncate(length: number): Promise<void>;
  close(): Promise<void>;
}

/** `create`: the file must not exist yet; otherwise it must. */
export type OpenDiskFile = (path: string, create: boolean) => Promise<DiskFile>;

export const openDiskFile: OpenDiskFile = async (path, create) => {
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } = constants;
  const file = await open(path, O_RDWR | O_NOFOLLOW | (create ? O_CREAT | O_EXCL : 0), 0o600);
  return {
    write: (bytes, position) => writeAll(file, bytes, position),
    sync: () => file.datasync(),
    truncate: (length) => file.truncate(length),
    close: () => file.close(),
  };
};

/** Makes creations, renames and removals in a directory survive a power cut, without holding up the event loop. */
export async function syncDirectoryInPool(path: string): Promise<void> {
  await using directory = await open(path, 'r');
  await directory.sync();
}

/** Runs a sync. Whatever makes it fail, even a full disk, leaves in doubt what the disk holds: `unavailable`. */
export async function confirm(sync: () => Promise<void>, what: string): Promise<void> {
  try {
    await sync();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new IdentityError('unavailable', `${what}: the disk did not take it (${code})`, { cause, reason: 'fsync' });
  }
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
