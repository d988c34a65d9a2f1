/** 10,000 random edits, deletions, swaps and truncations of a ledger, each of which `verify` has to name. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Print, Row } from './judges.ts';

const trials = 10_000;

export function tampering(print: Print): Promise<readonly Row[]> {
  const root = join(import.meta.dirname, '..', '..');
  const env = { ...process.env, LEDGER_TRIALS: String(trials) };
  const vitest = spawn(join(root, 'node_modules', '.bin', 'vitest'), ['run', 'src/ledger/tamper'], { cwd: root, env });
  let said = '';
  for (const stream of [vitest.stdout, vitest.stderr])
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  return new Promise((resolve) => {
    vitest.once('close', (code) => {
      print(`ledger: ${trials.toLocaleString('en')} tamperings, ${code === 0 ? 'all named' : 'not all named'}`);
      resolve([
        { what: 'ledger: edits, deletions, swaps and truncations', asked: trials, failures: code === 0 ? [] : [said] },
      ]);
    });
  });
}
