import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mayfly } from '../../test/fakes/command-line.ts';
import { completionScript } from './completion-script.ts';

const directory = mkdtempSync(join(tmpdir(), 'completion-'));
const script = join(directory, 'mayfly.bash');

beforeAll(async () => {
  writeFileSync(script, await completionScript('bash'));
  mkdirSync(join(directory, 'a directory'));
  writeFileSync(join(directory, 'a file'), '');
});
afterAll(() => rmSync(directory, { recursive: true }));

/** What bash offers after these words, through the function that `complete` has registered. */
function offered(...words: string[]): string[] {
  const program = `source "$1"; shift
    [[ $(complete -p mayfly) =~ -F\\ ([^ ]+) ]] || exit 1
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); "\${BASH_REMATCH[1]}" mayfly "\${COMP_WORDS[COMP_CWORD]}"
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const ended = spawnSync('bash', ['-c', program, 'bash', script, 'mayfly', ...words], {
    cwd: directory,
    encoding: 'utf8',
  });
  expect(ended).toMatchObject({ status: 0, stderr: '' });
  return ended.stdout.split('\n').filter((line) => line !== '');
}

describe('completion in bash', () => {
  it('is a script that bash can read', () => {
    expect(spawnSync('bash', ['-n', script], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
  });

  it.each([
    [['en'], ['entry', 'env']],
    [
      ['env', 'a'],
      ['aws', 'azure', 'anthropic'],
    ],
    [
      ['person', ''],
      ['add', 'list', 'show', 'disable', 'enable', '--help'],
    ],
    [
      ['entry', 'create', '--s'],
      ['--spiffe-id', '--selector', '--subject'],
    ],
    [
      ['bundle', 'show', '--format', ''],
      ['pem', 'jwks', 'spiffe'],
    ],
    [['bundle', 'show', '--format', 'j'], ['jwks']],
    [['completion', 'f'], ['fish']],
    [['up', '--data-dir', 'a'], ['a directory']],
    [['person', 'add', 'list', '--em'], ['--email']],
    [['person', 'add', '--name', ''], []],
    [['nonsense', 'x'], []],
  ])('after %j offers %j', (words, expected) => {
    expect(offered(...words)).toEqual(expected);
  });

  it('offers files with spaces whole', () => {
    expect(offered('entry', 'create', '--file', 'a').sort()).toEqual(['a directory', 'a file']);
  });
});

describe('completion', () => {
  it.each(['zsh', 'fish'] as const)('has every command and option for %s', async (shell) => {
    const text = await completionScript(shell);
    for (const word of ['disable', 'federates-with', 'admin-socket', 'jwks', 'audience']) expect(text).toContain(word);
    const missing = spawnSync(shell, ['-c', ':']).error !== undefined;
    const judged = missing ? { status: 0 } : spawnSync(shell, ['-n'], { input: text });
    expect(judged.status).toBe(0);
  });

  it('is printed by the command, bare or in a document', async () => {
    expect((await mayfly(['completion', 'bash'])).out).toBe(await completionScript('bash'));
    expect(JSON.parse((await mayfly(['completion', 'zsh', '--json'])).out)).toMatchObject({ shell: 'zsh' });
  });
});
