import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ensurePrivateDirectory, readPrivateFile, writeFileAtomic } from './files.ts';

const root = mkdtempSync(join(tmpdir(), 'mayfly-files-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
const fresh = (): string => join(root, `${++count}`);
const refusal = (run: () => unknown): { code: string; message: string } => {
  try {
    run();
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error('nothing was refused');
};
const asRoot = process.geteuid?.() === 0;

describe('writeFileAtomic', () => {
  it('R-KEY-1 replaces a file whole, with mode 0600 whatever the umask, and leaves nothing beside it', () => {
    const directory = fresh();
    mkdirSync(directory);
    const before = process.umask(0);
    writeFileAtomic(join(directory, 'key'), Buffer.from('old'));
    writeFileAtomic(join(directory, 'key'), 'new');
    process.umask(before);
    expect(readFileSync(join(directory, 'key'), 'utf8')).toBe('new');
    expect(statSync(join(directory, 'key')).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory)).toEqual(['key']);
  });

  it('gives the mode that is asked for', () => {
    const path = fresh();
    writeFileAtomic(path, 'public', { mode: 0o644 });
    expect(statSync(path).mode & 0o777).toBe(0o644);
  });

  it('replaces what a crash left behind, and does not follow a link that was planted in its place', () => {
    const directory = fresh();
    mkdirSync(directory);
    writeFileSync(join(directory, 'victim'), 'untouched');
    symlinkSync(join(directory, 'victim'), join(directory, '.key.new'));
    writeFileAtomic(join(directory, 'key'), 'new');
    expect(readFileSync(join(directory, 'victim'), 'utf8')).toBe('untouched');
    expect(readFileSync(join(directory, 'key'), 'utf8')).toBe('new');
  });

  it('says what could not be written where the directory is missing', () => {
    const path = join(fresh(), 'key');
    expect(refusal(() => writeFileAtomic(path, 'new'))).toMatchObject({ code: 'not-found' });
    expect(refusal(() => writeFileAtomic(path, 'new')).message).toContain(path);
  });
});

describe('ensurePrivateDirectory', () => {
  it('R-KEY-1 creates what is missing with mode 0700', () => {
    const directory = join(fresh(), 'a', 'b');
    ensurePrivateDirectory(directory);
    ensurePrivateDirectory(directory);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(statSync(join(directory, '..')).mode & 0o777).toBe(0o700);
  });

  it('R-KEY-1 refuses a directory that others can enter, with the chmod to type', () => {
    const directory = fresh();
    mkdirSync(directory);
    chmodSync(directory, 0o750);
    const { code, message } = refusal(() => ensurePrivateDirectory(directory));
    expect(code).toBe('failed-precondition');
    expect(message).toBe(`${directory} has mode 0750, looser than 0700: chmod 0700 ${directory}`);
  });

  it('refuses a symbolic link and a file', () => {
    const [link, file] = [fresh(), fresh()];
    symlinkSync(root, link);
    writeFileSync(file, '');
    expect(refusal(() => ensurePrivateDirectory(link))).toMatchObject({ code: 'failed-precondition' });
    expect(refusal(() => ensurePrivateDirectory(file))).toMatchObject({ code: 'failed-precondition' });
  });

  it.runIf(asRoot)('R-KEY-1 refuses a directory of another user, with the chown to type', () => {
    const directory = fresh();
    mkdirSync(directory, { mode: 0o700 });
    chownSync(directory, 12345, 12345);
    const { code, message } = refusal(() => ensurePrivateDirectory(directory));
    expect(code).toBe('failed-precondition');
    expect(message).toContain(`chown 0 ${directory}`);
  });
});

describe('readPrivateFile', () => {
  it('gives back the bytes', () => {
    const path = fresh();
    writeFileAtomic(path, Buffer.from([0, 1, 2, 255]));
    expect([...readPrivateFile(path, 4)]).toEqual([0, 1, 2, 255]);
  });

  it('R-KEY-1 refuses a file that others can read, with the chmod to type', () => {
    const path = fresh();
    writeFileAtomic(path, 'key', { mode: 0o640 });
    const { code, message } = refusal(() => readPrivateFile(path, 10));
    expect(code).toBe('failed-precondition');
    expect(message).toContain(`chmod 0600 ${path}`);
  });

  it.runIf(asRoot)('R-KEY-1 refuses a file of another user', () => {
    const path = fresh();
    writeFileAtomic(path, 'key');
    chownSync(path, 12345, 12345);
    expect(refusal(() => readPrivateFile(path, 10))).toMatchObject({ code: 'failed-precondition' });
  });

  it('refuses a link, a directory, a longer file and one that is not there', () => {
    const [link, path] = [fresh(), fresh()];
    writeFileAtomic(path, 'key');
    symlinkSync(path, link);
    expect(refusal(() => readPrivateFile(link, 10))).toMatchObject({ code: 'failed-precondition' });
    expect(refusal(() => readPrivateFile(root, 10))).toMatchObject({ code: 'failed-precondition' });
    expect(refusal(() => readPrivateFile(path, 2))).toMatchObject({ code: 'failed-precondition' });
    expect(refusal(() => readPrivateFile(fresh(), 2))).toMatchObject({ code: 'not-found' });
  });
});
