/** Each credential against its record, and against the life of the authority that signed it. */
import type { Credential } from './credential.ts';
import { aheadAt, type Evidence } from './files.ts';
import type { LedgerRecord } from './ledger.ts';
import type { Findings } from './report.ts';

export type Issued = ReadonlyMap<string, LedgerRecord>;

/** I6, I9: one record for each credential, none twice. */
export function issuedByName(records: readonly LedgerRecord[], findings: Findings): Issued {
  const found = new Map<string, LedgerRecord>();
  for (const record of records.filter(({ kind }) => kind.endsWith('-svid.issued'))) {
    const name = String(record['serial'] ?? record['jti']);
    findings.must(!found.has(name), 'I6', () => `records ${found.get(name)?.seq} and ${record.seq} both issue ${name}`);
    found.set(name, record);
  }
  return found;
}

export function checkIssued(
  credentials: readonly Credential[],
  { issued, records, evidence }: { issued: Issued; records: readonly LedgerRecord[]; evidence: Evidence },
  findings: Findings,
): void {
  const steps = stepsOf(records);
  const names = new Set<string>();
  for (const credential of credentials) {
    const { name, id, capture } = credential;
    findings.must(!names.has(name), 'I6', () => `${name} was released twice, for different credentials`);
    names.add(name);
    const record = issued.get(name);
    const given = new Date(capture.at).toISOString();
    findings.must(record !== undefined, 'I9', () => `${id} ${name}, given at ${given}, is not on record`);
    if (record === undefined) continue;
    saysTheSame(credential, record, evidence, findings);
    signedInTime(credential, record, steps, findings);
  }
}

/** I9: exactly one record (see above), which says the same, and was written before. */
function saysTheSame(credential: Credential, record: LedgerRecord, { history }: Evidence, findings: Findings): void {
  const { name, id, issuer, notAfter, capture } = credential;
  const { spiffeId, uid, pid, authority } = record;
  const says = [spiffeId, uid, pid, authority, record['notAfter'] ?? record['expiresAt']].join(' ');
  const is = [id, capture.uid, capture.pid, issuer, notAfter].join(' ');
  findings.must(says === is, 'I9', () => `record ${record.seq} says ${says}, ${name} is ${is}`);
  const late = record.at - capture.at - aheadAt(history)(capture.at).most;
  const jumped = history.some((event) => event.t === 'clock');
  findings.must(jumped || late <= 5, 'I9', () => `${name} is on record ${late} ms after it was given`);
}

/** Of each authority, the records of its life. */
type Steps = ReadonlyMap<string, Readonly<Record<string, LedgerRecord>>>;

function stepsOf(records: readonly LedgerRecord[]): Steps {
  const steps = new Map<string, Record<string, LedgerRecord>>();
  for (const record of records.filter(({ kind }) => kind.startsWith('authority.'))) {
    const id = String(record['authority']);
    const known = steps.get(id) ?? {};
    // After a crash a step is recorded again when it is taken again; the first is the one that counts.
    steps.set(id, { [record.kind]: record, ...known });
  }
  return steps;
}

/** I5, I7: the authority was prepared, then activated, and only then signed; and it stayed until that had ended. */
function signedInTime({ name, issuer, notAfter }: Credential, record: LedgerRecord, steps: Steps, findings: Findings) {
  const {
    'authority.prepared': prepared,
    'authority.activated': activated,
    'authority.removed': removed,
  } = steps.get(issuer) ?? {};
  const inOrder =
    prepared !== undefined && activated !== undefined && prepared.seq < activated.seq && activated.seq < record.seq;
  const life = `${issuer} was prepared by ${prepared?.seq}, activated by ${activated?.seq}, removed by ${removed?.seq}`;
  findings.must(inOrder, 'I5', () => `${name} (record ${record.seq}): ${life}`);
  if (removed === undefined) return;
  findings.must(record.seq < removed.seq, 'I5', () => `${name} (record ${record.seq}): ${life}`);
  const early = notAfter - removed.at;
  findings.must(early <= 0, 'I7', () => `${issuer} was removed ${early} ms before ${name} ended`);
}
