/** A copy of evidence that can be doctored, in the way of somebody who knows what the checker looks at. */
import { execFileSync } from 'node:child_process';
import { createHash, createHmac, createPrivateKey, createPublicKey, sign, X509Certificate } from 'node:crypto';
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

/** The certificate, signed again by its own authority, and valid for ten years more. */
export function prolonged(chain: string, keys: string): string {
  const bytes = Buffer.from(chain, 'base64');
  const from = new X509Certificate(bytes).validToDate;
  const utc = (date: Date): string => `${date.toISOString().slice(2, 19).replace(/[-T:]/g, '')}Z`;
  const until = new Date(from);
  until.setUTCFullYear(from.getUTCFullYear() + 10);
  const tbsEnd = 4 + 4 + bytes.readUInt16BE(6);
  const tbs = Buffer.from(bytes.subarray(4, tbsEnd));
  tbs.write(utc(until), tbs.lastIndexOf(utc(from)), 'latin1');
  const algorithm = bytes.subarray(tbsEnd, tbsEnd + 2 + (bytes[tbsEnd + 1] ?? 0));
  const key = readdirSync(keys)
    .filter((name) => name.startsWith('x509-'))
    .map((name) => readFileSync(join(keys, name), 'latin1'))
    .map((text) => createPrivateKey(text.slice(text.indexOf('-----BEGIN'))))
    .find((each) => new X509Certificate(bytes).verify(createPublicKey(each)));
  if (key === undefined) throw new Error('none of the keys signed it');
  const signature = sign('sha256', tbs, key);
  const bits = Buffer.concat([Buffer.from([3, signature.length + 1, 0]), signature]);
  const body = Buffer.concat([tbs, algorithm, bits]);
  return Buffer.concat([Buffer.from([0x30, 0x82, body.length >> 8, body.length & 255]), body]).toString('base64');
}
