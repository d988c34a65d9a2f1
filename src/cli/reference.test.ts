import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { documentation, pathOf } from './leaf.ts';
import { wholeProgram } from './program.ts';
import { commandReference } from './reference.ts';

const leavesOf = (command: Command): Command[] =>
  command.commands.length === 0 ? [command] : command.commands.flatMap(leavesOf);

describe('docs/commands.md', () => {
  it('is what `make docs` writes now', async () => {
    expect(readFileSync(new URL('../../docs/commands.md', import.meta.url), 'utf8')).toBe(await commandReference());
  });
});

describe('every command', () => {
  it('takes --json, says what it prints, and its examples name itself', async () => {
    for (const leaf of leavesOf(await wholeProgram())) {
      const path = pathOf(leaf).join(' ');
      expect(
        leaf.options.map((option) => option.long),
        path,
      ).toContain('--json');
      expect(documentation(leaf)?.prints, path).toBeDefined();
      for (const example of documentation(leaf)?.examples ?? []) expect(example).toContain(path);
    }
  });
});
