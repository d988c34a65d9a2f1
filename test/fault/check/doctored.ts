/** A copy of evidence that can be doctored, in the way of somebody who knows what the checker looks at. */
import { execFileSync } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import type { Capture } from '../captures.ts';
import type { Event } from './files.ts';
import type { Report } from './report.ts';

const program = fileURLToPath(new URL('check.ts', import.meta.url));

export type LedgerLine = Record<string, unknown> & { readonly kind: string };

export class Doctored implements Disposable {
  readonly path: string;

  constructor(scene: string) {
    this.path = mkdtempSync(join(tmpdir(), 'mayfly-doctored-'));
    execFileSync('cp', ['-a', `${scene}/.`, this.path]);
  }

  get data(): string {
    return join(this.path, 'disk', 'data');
  }

  /** What the program says, as the runner asks it. */
  check(): Report {
    const output = execFileSync(process.execPath, [program, this.path], {
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    });
    return JSON.parse(output) as Report;
  }

  history(edit: (events: Event[]) => readonly object[]): void {
    editLines(join(this.path, 'history.ndjson'), edit as (lines: object[]) => readonly object[]);
  }

  captures(edit: (captures: Capture[]) => readonly object[]): void {
    for (const name of readdirSync(join(this.path, 'captures')))
      editLines(join(this.path, 'captures', name), edit as (lines: object[]) => readonly object[]);
  }

  sql(text: string): void {
    const database = new DatabaseSync(join(this.data, 'registry.db'));
    database.exec(text);
    database.close();
  }

  /** All of it chained and sealed anew, and the head with it: only what it says can give it away. */
  ledger(edit: (records: LedgerLine[]) => readonly LedgerLine[]): void {
    const directory = join(this.data, 'ledger');
    const segments = readdirSync(directory).filter((name) => name.endsWith('.ndjson'));
    const lines = segments.sort().flatMap((name) => readFileSync(join(directory, name), 'utf8').trimEnd().split('\n'));
    for (const name of segments) rmSync(join(directory, name));
    const key = Buffer.from(readFileSync(join(this.data, 'keys', 'ledger.seal'), 'latin1'), 'hex');
    let prev = '0'.repeat(64);
    const chained = edit(lines.map((line) => JSON.parse(line) as LedgerLine)).map((record, at) => {
      const { seq: _, prev: __, seal: ___, ...said } = record;
      const text = JSON.stringify({ seq: at + 1, ...said, prev }).slice(0, -1);
      const line = `${text},"seal":"${createHmac('sha256', key).update(text).digest('hex')}"}`;
      prev = createHash('sha256').update(line).digest('hex');
      return line;
    });
    writeFileSync(join(directory, '000001.ndjson'), `${chained.join('\n')}\n`);
    writeFileSync(join(directory, 'head'), JSON.stringify({ seq: chained.length, hash: prev }));
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

function editLines(path: string, edit: (lines: object[]) => readonly object[]): void {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  const edited = edit(lines.filter(Boolean).map((line) => JSON.parse(line) as object));
  writeFileSync(path, edited.map((line) => `${JSON.stringify(line)}\n`).join(''));
}
