import type { Command } from 'commander';
import { type Answer, leaf } from './leaf.ts';
import * as shapes from './shapes.ts';

export interface ProjectOptions {
  readonly once?: boolean;
  readonly logLevel?: string;
}

export function define(command: Command): void {
  command
    .enablePositionalOptions()
    .argument('<file>', 'what to keep, in YAML')
    .option('--once', 'write every file once, and end; waits until all are there');
  leaf<[file: string], ProjectOptions>(command, {
    does: 'keep a set of files fresh: tokens and certificates of this process, until SIGTERM or Ctrl-C',
    about:
      'Each file is replaced whole, mode 0600 unless said otherwise; a certificate, its key and its bundle go together. ' +
      'Tokens are renewed at about half of their life, certificates when the agent has a new one. What cannot be written ' +
      'leaves the last good file and is tried again. A refusal takes the files away. At SIGHUP the file is read again. What ' +
      'is attested is `mayfly project` itself, not who reads the files. docs/federate/files.md shows what goes into the file.',
    prints: shapes.nothing,
    examples: ['mayfly project /etc/app/identity.yaml', 'mayfly project --once identity.yaml'],
    act: async ([file], options): Promise<undefined> => {
      await (await import('./project-run.ts')).runProject(file, options);
    },
  });
  status(command.command('status'));
}

function status(command: Command): void {
  command.argument('<file>', 'the file that `mayfly project` was started with');
  leaf<[file: string], object>(command, {
    does: 'what the projector of a file has written, and what it could not',
    about: 'Ends with 6 where a file is missing or stale, so that a health check can use it.',
    prints: shapes.projection,
    examples: ['mayfly project status /etc/app/identity.yaml'],
    act: async ([file]): Promise<Answer> => (await import('./project-run.ts')).projectStatus(file),
  });
}
