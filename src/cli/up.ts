import type { Command } from 'commander';
import { type ConfigFlags, configFlags, loadConfig } from './config-flags.ts';
import { leaf } from './leaf.ts';
import * as shapes from './shapes.ts';

export function define(command: Command): void {
  leaf<[], ConfigFlags>(configFlags(command), {
    does: 'start the issuer: server and agent in one process, until SIGTERM or Ctrl-C',
    about: '`mayfly config print` shows every setting and its default.',
    prints: shapes.nothing,
    examples: ['mayfly up --trust-domain example.org --data-dir ./data', 'mayfly up --config /etc/mayfly.yaml'],
    act: async (_, options) => {
      const config = await loadConfig(options);
      const { up } = await import('../up/up.ts');
      await up(config, () => loadConfig(options));
      return undefined;
    },
  });
}
