/** When something became durable, from the ledger's files, by the clock of `nowMs`. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { nowMs } from './process-stat.ts';

export function ledgerMoments(data: string, kind: string, use: string): number[] {
  const offset = Date.now() - nowMs();
  return readdirSync(join(data, 'ledger'))
    .filter((name) => name.endsWith('.ndjson'))
    .sort()
    .flatMap((name) => readFileSync(join(data, 'ledger', name), 'utf8').split('\n'))
    .filter((line) => line.includes(`"kind":"${kind}"`) && line.includes(`"use":"${use}"`))
    .map((line) => Date.parse((JSON.parse(line) as { readonly at: string }).at) - offset);
}
