import { Argument, type Command } from 'commander';
import { leaf } from './leaf.ts';
import * as shapes from './shapes.ts';

type Shell = 'bash' | 'zsh' | 'fish';

export function define(command: Command): void {
  command.addArgument(new Argument('<shell>', 'the shell to complete for').choices(['bash', 'zsh', 'fish']));
  leaf<[shell: Shell], object>(command, {
    does: 'print a script that completes commands and options in a shell',
    prints: shapes.completion,
    examples: [
      'source <(mayfly completion bash)',
      'mayfly completion zsh > ~/.zfunc/_mayfly',
      'mayfly completion fish > ~/.config/fish/completions/mayfly.fish',
    ],
    act: async ([shell]) => {
      const { completionScript } = await import('./completion-script.ts');
      const script = await completionScript(shell);
      return { document: { shell, script }, text: script };
    },
  });
}
