import { CommanderError } from 'commander';
import { endWithDefects, endWithReader, terminal } from '../runtime/terminal.ts';
import { fail } from './leaf.ts';
import { programFor } from './program.ts';

/** The whole command line: what it says goes to the terminal, how it ended into the exit code. */
export async function main(): Promise<void> {
  const words = spoken(terminal.arguments);
  const tell = (error: unknown): void => fail(error, wantsJson(words));
  endWithReader();
  endWithDefects(tell);
  try {
    const program = await programFor(words);
    await program.parseAsync(words, { from: 'user' });
  } catch (error) {
    // Help that was asked for: commander has printed it.
    if (error instanceof CommanderError && error.exitCode === 0) return;
    tell(error);
  }
}

function spoken(words: readonly string[]): readonly string[] {
  if (words.length === 0) return ['--help'];
  return words[0] === '--version' || words[0] === '-V' ? ['version', ...words.slice(1)] : words;
}

function wantsJson(words: readonly string[]): boolean {
  const end = words.indexOf('--');
  return (end < 0 ? words : words.slice(0, end)).includes('--json');
}
