import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { isOwnAlone } from './compile-cache.ts';

it('takes no directory that another user could fill with code for us to run', () => {
  const mine = mkdtempSync(join(tmpdir(), 'cache-'));
  symlinkSync('/', join(mine, 'link'));
  expect(isOwnAlone('/')).toBe(true);
  expect(isOwnAlone('/tmp')).toBe(false);
  // 0700 and ours, but whoever can write to /tmp may come first with its name.
  expect(isOwnAlone(mine)).toBe(false);
  expect(isOwnAlone(join(mine, 'link'))).toBe(false);
  expect(isOwnAlone('/etc/passwd')).toBe(false);
  rmSync(mine, { recursive: true });
});
