import { readPrivateFile } from '../runtime/files.ts';

const longestSecret = 4096;

/** A PIN or a token, alone in a file that only we can read. The end of its last line is not part of it. */
export const secretIn = (path: string): string =>
  readPrivateFile(path, longestSecret)
    .toString('utf8')
    .replace(/\r?\n$/, '');
