import type { Command } from 'commander';
import { version } from '../runtime/version.ts';
import { leaf } from './leaf.ts';
import * as shapes from './shapes.ts';

export function define(command: Command): void {
  leaf(command, {
    does: 'say which mayfly this is, and what it runs on',
    prints: shapes.version,
    act: async () => {
      const document = { version, node: process.version, platform: `${process.platform}-${process.arch}` };
      return { document, text: `mayfly ${version} (node ${document.node}, ${document.platform})\n` };
    },
  });
}
