/** I1, I4: for this user, by the entry as it was, and not beyond it. */
import type { Credential } from './credential.ts';
import type { Evidence } from './files.ts';
import type { Issued } from './issued.ts';
import type { LedgerRecord } from './ledger.ts';
import type { Findings } from './report.ts';

type EntryVersion = Readonly<Record<string, unknown>>;

export function checkEntitled(
  credentials: readonly Credential[],
  { issued, records, evidence }: { issued: Issued; records: readonly LedgerRecord[]; evidence: Evidence },
  findings: Findings,
): void {
  const versions = versionsOf(records);
  for (const credential of credentials) {
    const record = issued.get(credential.name);
    if (record === undefined) continue;
    const { name, id, capture, notAfter } = credential;
    const grounds = `${record['entry']} ${record['revision']}`;
    const entries = versions.get(grounds) ?? [];
    findings.must(entries.length > 0, 'I9', () => `${name} rests on ${grounds}, of which there is no record`);
    const earned = entries.filter((entry) => isEarned(entry, credential, record));
    const shown = (): string => JSON.stringify(entries);
    findings.must(earned.length > 0, 'I1', () => `${id} ${name} was given to uid ${capture.uid} for ${shown()}`);
    const within = earned.some((entry) => isWithin(entry, credential, record, evidence));
    findings.must(within || earned.length === 0, 'I4', () => `${id} ${name} lasts until ${notAfter} by ${shown()}`);
  }
}

/** More than one where a change was recorded and never made: its number was given again. */
function versionsOf(records: readonly LedgerRecord[]): ReadonlyMap<string, readonly EntryVersion[]> {
  const versions = new Map<string, Map<string, EntryVersion>>();
  for (const record of records) {
    if (record.kind !== 'entry.created' && record.kind !== 'entry.updated') continue;
    const after = record['after'] as EntryVersion;
    const key = `${record['entry']} ${after['revision']}`;
    versions.set(key, (versions.get(key) ?? new Map()).set(String(after['description']), after));
  }
  return new Map([...versions].map(([key, found]) => [key, [...found.values()]]));
}

const isEarned = (entry: EntryVersion, { id, capture }: Credential, record: LedgerRecord): boolean =>
  entry['spiffeId'] === id &&
  (entry['selectors'] as string[]).join() === `unix:uid:${capture.uid}` &&
  entry['owner'] === record['owner'];

function isWithin(entry: EntryVersion, { notAfter, capture }: Credential, record: LedgerRecord, evidence: Evidence) {
  const own = entry[capture.kind === 'x509' ? 'x509SvidTtlSeconds' : 'jwtSvidTtlSeconds'];
  const ttl = 1000 * Number(own) || evidence.life[capture.kind === 'x509' ? 'x509' : 'jwt'];
  const jumped = evidence.history.some((event) => event.t === 'clock');
  return notAfter <= Number(entry['expiresAt'] ?? Infinity) && (jumped || notAfter - record.at <= ttl + 1_000);
}
