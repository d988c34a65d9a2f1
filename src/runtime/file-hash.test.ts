import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const module = fileURLToPath(new URL('file-hash.ts', import.meta.url));

describe('the thread that hashes files', () => {
  it('WA-16 does not keep a process that has nothing else to do', () => {
    const program = `
      import { openSync, statSync } from 'node:fs';
      import { FileHasher } from ${JSON.stringify(module)};
      const busy = setTimeout(() => {}, 60_000);
      process.stdout.write(await new FileHasher().sha256(openSync('/bin/sh', 'r'), statSync('/bin/sh').size));
      clearTimeout(busy);`;
    const ended = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect(ended).toMatchObject({ status: 0, signal: null, stderr: '' });
    expect(execFileSync('sha256sum', ['/bin/sh'], { encoding: 'utf8' })).toContain(ended.stdout);
  });
});
