/** The ledger as any program can read it: lines of JSON, each with the SHA-256 of the one before. */
import { createHash, createHmac } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Evidence } from './files.ts';
import type { Findings } from './report.ts';

export interface LedgerRecord {
  readonly seq: number;
  /** By the issuer's clock. */
  readonly at: number;
  readonly kind: string;
  readonly [member: string]: unknown;
}

/** I9: every line there is, in order, each following the one before, sealed, and as many as the head says. */
export function readLedger({ data, archive }: Evidence, findings: Findings): readonly LedgerRecord[] {
  const key = Buffer.from(readFileSync(join(data, 'keys', 'ledger.seal'), 'latin1'), 'hex');
  const records: LedgerRecord[] = [];
  const hashes: string[] = [];
  let before = '0'.repeat(64);
  for (const [index, { name, text }] of segments(join(data, 'ledger'), archive, findings).entries()) {
    findings.must(
      Number.parseInt(name, 10) === index + 1,
      'I9',
      () => `segment ${index + 1} is missing, ${name} follows`,
    );
    findings.must(text.endsWith('\n'), 'I9', () => `${name} ends within a line`);
    for (const line of text.slice(0, text.lastIndexOf('\n')).split('\n')) {
      const record = parse(line);
      const seq = records.length + 1;
      findings.must(record.seq === seq, 'I9', () => `${name}: record ${record.seq} stands where ${seq} belongs`);
      findings.must(record['prev'] === before, 'I9', () => `record ${seq} does not follow record ${seq - 1}`);
      const sealed = line.slice(0, line.lastIndexOf(',"seal":"'));
      const seal = createHmac('sha256', key).update(sealed).digest('hex');
      findings.must(record['seal'] === seal, 'I9', () => `the seal of record ${seq} does not fit`);
      before = createHash('sha256').update(line).digest('hex');
      records.push(record);
      hashes.push(before);
    }
  }
  const head = JSON.parse(readFileSync(join(data, 'ledger', 'head'), 'latin1')) as { seq: number; hash: string };
  findings.must(head.seq === records.length && head.hash === before, 'I9', () => {
    return `the head says ${head.seq} records, there are ${records.length}`;
  });
  findings.count('ledger records', records.length);
  return records;
}

function segments(ledger: string, archive: string, findings: Findings) {
  const found = new Map<string, string>();
  for (const directory of [archive, ledger].filter((path) => existsSync(path))) {
    for (const name of readdirSync(directory).filter((file) => /^\d{6}\.ndjson$/.test(file))) {
      const text = readFileSync(join(directory, name), 'utf8');
      // A crash between copying and removing leaves both.
      findings.must((found.get(name) ?? text) === text, 'I9', () => `${name} differs between ledger and archive`);
      found.set(name, text);
    }
  }
  return [...found].map(([name, text]) => ({ name, text })).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function parse(line: string): LedgerRecord {
  try {
    const record = JSON.parse(line) as LedgerRecord & { readonly at: unknown };
    return { ...record, at: Date.parse(String(record.at)) };
  } catch {
    return { seq: -1, at: 0, kind: `not JSON: ${line.slice(0, 80)}` };
  }
}
