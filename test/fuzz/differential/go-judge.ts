/** Go's crypto/x509 and go-spiffe as one program that answers line by line. */
import { execFile, spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

export type Question =
  | { readonly kind: 'id' | 'trust-domain'; readonly bytes: Buffer }
  | { readonly kind: 'bundle'; readonly bytes: Buffer; readonly trustDomain: string }
  | {
      readonly kind: 'token';
      readonly bytes: Buffer;
      readonly trustDomain: string;
      readonly keys: Buffer;
      readonly audience: string;
    }
  | {
      readonly kind: 'chain';
      readonly chain: readonly Buffer[];
      readonly roots: readonly Buffer[];
      readonly trustDomain: string;
      readonly at: number;
    };

export interface Answer {
  /** By judge: the empty text for yes, otherwise why not. */
  readonly refusals: Readonly<Record<string, string>>;
  readonly names?: string;
}

const directory = join(import.meta.dirname, '..', 'go');
const program = join(directory, 'bin', 'judge');

/** Builds the program where it is missing or older than its source. */
export async function buildJudge(): Promise<void> {
  const newest = Math.max(...['main.go', 'go.mod', 'go.sum'].map((file) => statSync(join(directory, file)).mtimeMs));
  if (existsSync(program) && statSync(program).mtimeMs > newest) return;
  const env = { ...process.env, GOFLAGS: '-buildvcs=false -mod=readonly' };
  await promisify(execFile)('go', ['build', '-o', program, '.'], { cwd: directory, env, timeout: 300_000 });
}

const text = (question: Question): string =>
  JSON.stringify(question, (_, value) =>
    value?.type === 'Buffer' ? Buffer.from(value.data).toString('base64') : value,
  );

/** The answers, in the order of the questions. */
export async function ask(questions: readonly Question[]): Promise<Answer[]> {
  const judge = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] });
  const answers: Answer[] = [];
  const read = (async () => {
    for await (const line of createInterface(judge.stdout)) answers.push(JSON.parse(line) as Answer);
  })();
  for (const question of questions) {
    if (!judge.stdin.write(`${text(question)}\n`)) await new Promise((resolve) => judge.stdin.once('drain', resolve));
  }
  judge.stdin.end();
  await read;
  if (answers.length !== questions.length)
    throw new Error(`${answers.length} answers to ${questions.length} questions`);
  return answers;
}
