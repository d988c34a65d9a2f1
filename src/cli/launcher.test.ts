import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { launcher } from '../../test/fakes/command-line.ts';

const directory = mkdtempSync(join(tmpdir(), 'launcher-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe('the launcher', () => {
  it('is found through a chain of symbolic links from any directory', () => {
    symlinkSync(launcher, join(directory, 'one'));
    symlinkSync('one', join(directory, 'two'));
    for (const command of ['./two version', 'sh two version', `PATH=${directory}:$PATH two version`]) {
      const ended = spawnSync('sh', ['-c', command], { cwd: directory, encoding: 'utf8' });
      expect(ended.stdout).toMatch(/^mayfly \d/);
    }
  });

  it.each([
    ['nothing', (_: string) => {}, /there is no program beside/],
    ['no packages', (home: string) => program(home), /its packages are not installed; type: cd .* && make setup/],
    [
      'no generated code',
      (home: string) => {
        program(home);
        mkdirSync(join(home, 'node_modules/commander'), { recursive: true });
      },
      /its generated code is missing; type: cd .* && make setup/,
    ],
    ['no Node', (home: string) => complete(home), /Node 24\.18\.1 or newer is missing/],
    [
      'an old Node',
      (home: string) => {
        complete(home);
        writeFileSync(join(home, 'bin/node'), '#!/bin/sh\necho v24.9.9\n', { mode: 0o755 });
      },
      /Node 24\.18\.1 or newer is needed and .* is v24\.9\.9/,
    ],
  ])('with %s beside it says in one sentence what is missing', (name, furnish, message) => {
    const home = join(directory, name.replaceAll(' ', '-'));
    mkdirSync(join(home, 'bin'), { recursive: true });
    for (const tool of ['sh', 'sort', 'head', 'readlink']) symlinkSync(`/usr/bin/${tool}`, join(home, 'bin', tool));
    copyFileSync(launcher, join(home, 'mayfly'));
    furnish(home);
    const ended = spawnSync('/bin/sh', [join(home, 'mayfly'), 'version'], {
      encoding: 'utf8',
      env: { PATH: join(home, 'bin') },
    });
    expect(ended.status).toBe(1);
    expect(ended.stderr).toMatch(message);
    expect(ended.stderr.trim().split('\n')).toHaveLength(1);
  });
});

function program(home: string): void {
  mkdirSync(join(home, 'src/gen/mayfly/admin/v1'), { recursive: true });
  writeFileSync(join(home, 'src/main.ts'), '');
}

function complete(home: string): void {
  program(home);
  mkdirSync(join(home, 'node_modules/commander'), { recursive: true });
  writeFileSync(join(home, 'src/gen/mayfly/admin/v1/admin.ts'), '');
}
