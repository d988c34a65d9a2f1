import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SeenMark } from './seen-mark.ts';

const key = Buffer.alloc(32, 1);
const far = { registry: 9, ledger: 70, bundle: 1_795_435_200 };

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mayfly-seen-'));
  path = join(directory, 'admin.sock.seen');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const mark = (sealedWith = key): SeenMark => new SeenMark(path, sealedWith);

describe('what was seen of a data directory', () => {
  it.each(['registry', 'ledger', 'bundle'] as const)('R-STO-1 refuses one whose %s is behind it', (part) => {
    mark().write(far);
    mark().refuseOlder(far);
    mark().refuseOlder({ registry: 10, ledger: 71, bundle: far.bundle + 1 });
    const older = { ...far, [part]: far[part] - 1 };
    expect(() => mark().refuseOlder(older)).toThrow(
      `an old copy of the data directory was put back: its ${part} is at ${older[part]} and was at ${far[part]}`,
    );
  });

  it('says nothing where it is not there, of another directory, or damaged', () => {
    const behind = { registry: 0, ledger: 0, bundle: 0 };
    mark().refuseOlder(behind);
    mark().write(far);
    mark(Buffer.alloc(32, 2)).refuseOlder(behind);
    const text = readFileSync(path, 'latin1');
    for (const other of ['', text.slice(0, 20), text.replace('70', '71'), text.slice(0, -1)]) {
      writeFileSync(path, other);
      mark().refuseOlder(behind);
    }
    writeFileSync(path, text);
    expect(() => mark().refuseOlder(behind)).toThrow(path);
  });

  it('is ours alone, and refused where others could have written it', () => {
    mark().write(far);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    chmodSync(path, 0o666);
    expect(() => mark().refuseOlder(far)).toThrow('chmod 0600');
  });

  it('that cannot be kept is a problem until the next one is', () => {
    const unkept = new SeenMark(join(directory, 'later', 'admin.sock.seen'), key);
    unkept.write(far);
    expect(unkept.problem).toContain('later/admin.sock.seen');
    const kept = mark();
    kept.write(far);
    expect(kept.problem).toBeUndefined();
  });
});
