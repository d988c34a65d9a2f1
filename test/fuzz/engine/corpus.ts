/** Inputs that earned their place: one file each, named by its hash, in test/fuzz/corpus/<target>/. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', 'corpus');
/** All corpora together stay below one MiB. */
const roomEach = 30 * 1024;

export function readCorpus(target: string): Buffer[] {
  const directory = join(root, target);
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .sort()
    .map((name) => readFileSync(join(directory, name)));
}

/** Replaces what is there, as far as there is room; the first come first. */
export function writeCorpus(target: string, inputs: readonly Buffer[]): number {
  const directory = join(root, target);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  let room = roomEach;
  let written = 0;
  for (const input of inputs) {
    if (input.length > room) continue;
    room -= input.length;
    written++;
    writeFileSync(join(directory, createHash('sha256').update(input).digest('hex').slice(0, 16)), input);
  }
  return written;
}
