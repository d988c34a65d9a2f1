import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { type ErrorCode, IdentityError } from '../errors.ts';
import type { Entry } from '../gen/mayfly/admin/v1/admin.ts';
import { systemClock } from '../runtime/clock.ts';
import { terminal } from '../runtime/terminal.ts';
import { parseDraft } from './entry-draft.ts';
import { CommandError } from './failure.ts';

/** Entries with the line on which each begins, so that whoever refuses one can be told where it stands. */
export interface EntryFile {
  readonly name: string;
  readonly entries: readonly Entry[];
  lineOf(index: number): number;
}

interface Source {
  readonly values: readonly unknown[];
  lineOf(index: number): number;
}

/** Beyond this a file is refused before it is read: some million entries. */
const largestFile = 2 ** 29 - 2 ** 20;

/** Reads and checks a whole file of entries: NDJSON, YAML or JSON; `-` is standard input. */
export async function readEntryFile(path: string): Promise<EntryFile> {
  const name = path === '-' ? 'stdin' : path;
  terminal.progress(`reading ${name}`);
  const text = path === '-' ? await terminal.read() : await textOf(path);
  const { values, lineOf } = await sourceOf(name, text);
  const now = systemClock.now();
  const entries = values.map((value, index) =>
    at(
      name,
      () => lineOf(index),
      () => parseDraft(value, now),
    ),
  );
  if (entries.length === 0) throw new IdentityError('invalid-argument', `${name} holds no entry`);
  return { name, entries, lineOf };
}

/** Runs `act`; a refusal is told with file and line. */
function at<Value>(name: string, line: () => number, act: () => Value): Value {
  try {
    return act();
  } catch (error) {
    if (error instanceof IdentityError) throw badLine(name, line(), error.message);
    throw error;
  }
}

export const badLine = (
  name: string,
  line: number,
  message: string,
  code: ErrorCode = 'invalid-argument',
): CommandError =>
  new CommandError(
    code,
    `${name}:${line}: ${message}`,
    'Nothing was created. Correct this line, then repeat the command.',
  );

async function textOf(path: string): Promise<string> {
  try {
    const bytes = await readFile(path);
    if (bytes.length <= largestFile) return bytes.toString('utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new CommandError(
      code === 'EACCES' ? 'permission-denied' : 'not-found',
      `${path} cannot be read: ${message}`,
      'Check the name of the file.',
      { cause: error },
    );
  }
  throw new CommandError('resource-exhausted', `${path} is larger than ${largestFile} bytes`, 'Split it.');
}

function sourceOf(name: string, text: string): Source | Promise<Source> {
  const kind = extname(name);
  if (kind === '.ndjson' || kind === '.jsonl') return linesOf(name, text);
  if (kind === '.yaml' || kind === '.yml') return yamlOf(name, text);
  return isLines(text) ? linesOf(name, text) : yamlOf(name, text);
}

/** An object that ends on the line it begins on. */
function isLines(text: string): boolean {
  const [first = ''] = text.trimStart().split('\n', 1);
  return /^\{.*\}\s*$/.test(first) && !/^\{\s*"entries"/.test(first);
}

function linesOf(name: string, text: string): Source {
  const numbers: number[] = [];
  const values: unknown[] = [];
  text.split('\n').forEach((line, index) => {
    if (line.trim() === '') return;
    numbers.push(index + 1);
    values.push(
      at(
        name,
        () => index + 1,
        () => parseJson(line),
      ),
    );
  });
  return { values, lineOf: (index) => numbers[index] ?? 0 };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new IdentityError('invalid-argument', `not JSON: ${(error as Error).message}`);
  }
}

async function yamlOf(name: string, text: string): Promise<Source> {
  const { entriesOfYaml } = await import('./entry-yaml.ts');
  return entriesOfYaml(name, text);
}
