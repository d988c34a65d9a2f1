import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { targets } from './targets.ts';

const root = join(import.meta.dirname, '..', '..');

/** So short that it mostly tries the corpus again; `make fuzz` searches on from there. */
const parameters = ['test/fuzz/run.ts', '--seconds', '0.1', '--seed', '1', '--skip', 'judges'];

describe('hostile bytes', () => {
  it('are refused or taken by every parser, and nothing worse: the corpus, and a moment of searching', async () => {
    const { code, said } = await new Promise<{ code: number; said: string }>((resolve) => {
      execFile(process.execPath, parameters, { cwd: root, timeout: 280_000 }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : 1, said: `${stdout}${stderr}` }),
      );
    });
    expect(code, said).toBe(0);
    for (const name of Object.keys(targets)) expect(said).toMatch(new RegExp(`^${name} +[\\d,]+ `, 'm'));
  }, 300_000);
});
