/** What the workloads were given, against the ledger, the entries, the authorities and each other. */
import { createPrivateKey, createPublicKey, type KeyObject, verify, X509Certificate } from 'node:crypto';
import type { Capture, CapturedSvid } from '../captures.ts';
import { aheadAt, type Evidence } from './files.ts';
import type { LedgerRecord } from './ledger.ts';
import type { Findings } from './report.ts';

/** Something a workload was given, with what must agree. */
interface Credential {
  /** Serial number or jti. */
  readonly name: string;
  readonly id: string;
  /** Of the authority. */
  readonly issuer: string;
  readonly notAfter: number;
  readonly capture: Capture;
}

export function checkCredentials(evidence: Evidence, records: readonly LedgerRecord[], findings: Findings): void {
  const issued = recordsByName(records, findings);
  const steps = stepsOf(records);
  const credentials = [...x509Svids(evidence, findings), ...tokens(evidence, findings)];
  for (const credential of distinct(credentials, findings)) {
    onRecord(credential, issued.get(credential.name), evidence, findings);
    signedInTime(credential, issued.get(credential.name), steps, findings);
  }
  entitled(credentials, evidence, records, findings);
}

/** I6, I9: one record for each credential, none twice. */
function recordsByName(records: readonly LedgerRecord[], findings: Findings): ReadonlyMap<string, LedgerRecord> {
  const found = new Map<string, LedgerRecord>();
  for (const record of records.filter(({ kind }) => kind.endsWith('-svid.issued'))) {
    const name = String(record['serial'] ?? record['jti']);
    findings.must(!found.has(name), 'I6', () => `records ${found.get(name)?.seq} and ${record.seq} both issue ${name}`);
    found.set(name, record);
  }
  return found;
}

function x509Svids({ captures, history }: Evidence, findings: Findings): Credential[] {
  const ahead = aheadAt(history);
  const seen = new Map<string, Credential>();
  for (const capture of captures) {
    if (capture.kind !== 'x509') continue;
    for (const svid of capture.svids) {
      const known = seen.get(svid.chain);
      if (known === undefined) seen.set(svid.chain, x509Svid(svid, capture, findings));
      else
        findings.must(
          known.capture.pid === capture.pid,
          'I1',
          () => `${known.id} ${known.name} was given to two processes`,
        );
      const { notAfter = 0 } = seen.get(svid.chain) ?? {};
      const now = capture.at + ahead(capture.at).least;
      findings.must(notAfter > now - graceMs, 'I4', () => `${svid.id} was given ${now - notAfter} ms after its end`);
    }
  }
  findings.count('X.509-SVIDs', seen.size);
  return [...seen.values()];
}

/** What was in the pipe when it ended. */
const graceMs = 1_500;

function x509Svid({ id, chain, key, bundle }: CapturedSvid, capture: Capture, findings: Findings): Credential {
  const leaf = new X509Certificate(Buffer.from(chain, 'base64'));
  const name = leaf.serialNumber.toLowerCase().replace(/^(?:00)+/, '');
  const issuer = issuerOf(leaf);
  const privateKey = createPrivateKey({ key: Buffer.from(key, 'base64'), format: 'der', type: 'pkcs8' });
  const authorities = certificatesIn(Buffer.from(bundle, 'base64'));
  const signer = authorities.find((authority) => leaf.checkIssued(authority) && leaf.verify(authority.publicKey));
  findings.must(
    leaf.subjectAltName === `URI:${id}` || leaf.subjectAltName?.includes(`URI:${id}`) === true,
    'I1',
    () => `${name} is for ${leaf.subjectAltName}, not ${id}`,
  );
  findings.must(leaf.checkPrivateKey(privateKey), 'I1', () => `${name} came with the key of another`);
  findings.must(
    signer !== undefined,
    'I5',
    () => `${id} ${name} is signed by ${issuer}, which is not in the bundle beside it`,
  );
  const notAfter = Date.parse(leaf.validTo);
  findings.must(
    signer === undefined || notAfter <= Date.parse(signer.validTo),
    'I4',
    () => `${name} ends after its authority`,
  );
  return { name, id, issuer, notAfter, capture };
}

/** The authorities' common name is one and the same; what tells them apart stands beside it. */
const issuerOf = ({ issuer }: X509Certificate): string => /serialNumber=([0-9a-f]+)/.exec(issuer)?.[1] ?? issuer;

export function certificatesIn(bytes: Buffer): X509Certificate[] {
  const found: X509Certificate[] = [];
  for (let at = 0; at < bytes.length; ) {
    // Every certificate of ours is a SEQUENCE with a length of two bytes.
    const end = at + 4 + bytes.readUInt16BE(at + 2);
    found.push(new X509Certificate(bytes.subarray(at, end)));
    at = end;
  }
  return found;
}

interface Claims {
  readonly sub: string;
  readonly aud: string | readonly string[];
  readonly exp: number;
  readonly jti: string;
}

function tokens({ captures, history }: Evidence, findings: Findings): Credential[] {
  const keys = jwtKeys({ captures, history });
  const ahead = aheadAt(history);
  const seen = new Map<string, Credential>();
  for (const capture of captures) {
    if (capture.kind !== 'jwt') continue;
    for (const { id, token } of capture.tokens) {
      const [header = '', payload = '', signature = ''] = token.split('.');
      const { kid } = parsed(header) as { readonly kid: string };
      const { sub, aud, exp, jti } = parsed(payload) as Claims;
      const known = seen.get(token);
      const now = capture.at + ahead(capture.at).least;
      findings.must(
        exp * 1000 > now - graceMs,
        'I4',
        () => `a token for ${id} was given ${now - exp * 1000} ms after its end`,
      );
      findings.must(
        [aud].flat().join() === capture.audience.join(),
        'I1',
        () => `asked for ${capture.audience}, got a token for ${aud}`,
      );
      if (known !== undefined) {
        findings.must(known.capture.pid === capture.pid, 'I1', () => `the token ${jti} was given to two processes`);
        continue;
      }
      findings.must(sub === id, 'I1', () => `the token ${jti} is for ${sub}, not ${id}`);
      const key = keys.get(kid);
      if (key === undefined) findings.count('tokens of an authority that ended before its bundle was read');
      else {
        const bytes = Buffer.from(`${header}.${payload}`);
        const good = verify('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'));
        findings.must(good, 'I5', () => `the signature of ${jti} is not by ${kid} as published`);
      }
      seen.set(token, { name: jti, id, issuer: kid, notAfter: exp * 1000, capture });
    }
  }
  findings.count('JWT-SVIDs', seen.size);
  return [...seen.values()];
}

const parsed = (part: string): unknown => JSON.parse(Buffer.from(part, 'base64url').toString());

/** Every key that was ever published. */
function jwtKeys({ captures, history }: Pick<Evidence, 'captures' | 'history'>): ReadonlyMap<string, KeyObject> {
  const keys = new Map<string, KeyObject>();
  const documents = [
    ...captures.flatMap((capture) => (capture.kind === 'jwt-bundles' ? Object.values(capture.bundles) : [])),
    ...history.flatMap((event) => (event.t === 'bundle' ? [event.spiffe] : [])),
  ];
  for (const document of new Set(documents)) {
    for (const jwk of (JSON.parse(document) as { keys: { kid?: string }[] }).keys) {
      if (jwk.kid !== undefined) keys.set(jwk.kid, createPublicKey({ key: jwk as never, format: 'jwk' }));
    }
  }
  return keys;
}

/** I6: the same name only ever for the same credential. */
function distinct(credentials: readonly Credential[], findings: Findings): readonly Credential[] {
  const names = new Set<string>();
  for (const { name } of credentials) {
    findings.must(!names.has(name), 'I6', () => `${name} was released twice, for different credentials`);
    names.add(name);
  }
  return credentials;
}

/** I9: exactly one record (see above), which says the same, and was written before. */
function onRecord(
  credential: Credential,
  record: LedgerRecord | undefined,
  evidence: Evidence,
  findings: Findings,
): void {
  const { name, id, issuer, notAfter, capture } = credential;
  findings.must(
    record !== undefined,
    'I9',
    () => `${id} ${name}, given at ${new Date(capture.at).toISOString()}, is not on record`,
  );
  if (record === undefined) return;
  const said = [
    record['spiffeId'],
    record['uid'],
    record['pid'],
    record['authority'],
    record['notAfter'] ?? record['expiresAt'],
  ];
  const is = [id, capture.uid, capture.pid, issuer, notAfter];
  findings.must(
    said.join() === is.join(),
    'I9',
    () => `record ${record.seq} says ${said.join(' ')}, ${name} is ${is.join(' ')}`,
  );
  const ahead = aheadAt(evidence.history)(capture.at).most;
  const jumped = evidence.history.some((event) => event.t === 'clock');
  findings.must(
    jumped || record.at <= capture.at + ahead + 5,
    'I9',
    () => `${name} is on record ${record.at - capture.at - ahead} ms after it was given`,
  );
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

/** I5, I6: the authority was prepared, then activated, and only then signed; and it was not yet succeeded. */
function signedInTime(
  credential: Credential,
  record: LedgerRecord | undefined,
  steps: Steps,
  findings: Findings,
): void {
  if (record === undefined) return;
  const { name, issuer } = credential;
  const {
    'authority.prepared': prepared,
    'authority.activated': activated,
    'authority.removed': removed,
  } = steps.get(issuer) ?? {};
  const inOrder =
    prepared !== undefined && activated !== undefined && prepared.seq < activated.seq && activated.seq < record.seq;
  findings.must(
    inOrder,
    'I5',
    () => `${name} (record ${record.seq}): ${issuer} was prepared by ${prepared?.seq}, activated by ${activated?.seq}`,
  );
  findings.must(
    removed === undefined || record.seq < removed.seq,
    'I5',
    () => `${name}: ${issuer} was removed by record ${removed?.seq} before it signed`,
  );
  findings.must(
    removed === undefined || removed.at >= credential.notAfter,
    'I7',
    () => `${issuer} was removed ${credential.notAfter - (removed?.at ?? 0)} ms before ${name} ended`,
  );
}

/** I1, I4: for this user, by the entry as it was, not beyond it, and not after it was taken away. */
function entitled(
  credentials: readonly Credential[],
  evidence: Evidence,
  records: readonly LedgerRecord[],
  findings: Findings,
): void {
  const versions = new Map<string, Record<string, unknown>>();
  for (const record of records) {
    const after = record['after'] as Record<string, unknown> | undefined;
    if (record.kind === 'entry.created' || record.kind === 'entry.updated')
      versions.set(`${record['entry']} ${after?.['revision']} ${after?.['description']}`, after ?? {});
  }
  const byRevision = new Map<string, Record<string, unknown>[]>();
  for (const [key, after] of versions) {
    const short = key.split(' ').slice(0, 2).join(' ');
    byRevision.set(short, [...(byRevision.get(short) ?? []), after]);
  }
  const taken = withdrawals(evidence);
  const jumped = evidence.history.some((event) => event.t === 'clock');
  const names = new Map(
    records
      .filter(({ kind }) => kind.endsWith('-svid.issued'))
      .map((record) => [String(record['serial'] ?? record['jti']), record]),
  );
  for (const { name, id, notAfter, capture } of credentials) {
    const record = names.get(name);
    if (record === undefined) continue;
    const entries = byRevision.get(`${record['entry']} ${record['revision']}`) ?? [];
    findings.must(
      entries.length > 0,
      'I9',
      () => `${name} rests on ${record['entry']} revision ${record['revision']}, of which there is no record`,
    );
    const fits = entries.some((entry) => {
      const selectors = entry['selectors'] as string[];
      const ends = Number(entry['expiresAt'] ?? Infinity);
      const ttl =
        1000 * Number(entry[capture.kind === 'x509' ? 'x509SvidTtlSeconds' : 'jwtSvidTtlSeconds']) ||
        evidence.life[capture.kind === 'x509' ? 'x509' : 'jwt'];
      return (
        entry['spiffeId'] === id &&
        selectors.join() === `unix:uid:${capture.uid}` &&
        notAfter <= ends &&
        (jumped || notAfter - record.at <= ttl + 1_000) &&
        entry['owner'] === record['owner']
      );
    });
    findings.must(
      entries.length === 0 || fits,
      'I4',
      () => `${id} ${name} to uid ${capture.uid} until ${notAfter} is beyond ${JSON.stringify(entries)}`,
    );
  }
  lateDeliveries(evidence, taken, findings);
}

interface Withdrawal {
  readonly spiffeId: string;
  readonly from: number;
  readonly until: number;
}

/** A second after it was acknowledged that an entry is gone or its owner disabled, nobody is given it any more. */
const boundMs = 1_000;

function withdrawals({ history }: Evidence): readonly Withdrawal[] {
  const found: Withdrawal[] = [];
  const entries = new Map<string, { readonly spiffeId: string; readonly owner: string }>();
  const asked = new Map<number, Extract<(typeof history)[number], { t: 'ask' }>>();
  let disabledAt: number | undefined;
  for (const event of history) {
    if (event.t === 'ask') {
      asked.set(event.op, event);
      // From the moment of asking it may be back.
      if (event.do === 'set-person' && event.enabled && disabledAt !== undefined) {
        for (const entry of entries.values())
          if (entry.owner === event.person) found.push({ spiffeId: entry.spiffeId, from: disabledAt, until: event.at });
        disabledAt = undefined;
      }
    }
    if (event.t === 'state') for (const entry of event.entries) entries.set(entry.id, entry);
    if (event.t !== 'done') continue;
    if (event.entry !== undefined) entries.set(event.entry.id, event.entry);
    const order = asked.get(event.op);
    if (order?.do === 'delete-entry')
      found.push({ spiffeId: entries.get(order.id)?.spiffeId ?? '', from: event.at, until: Infinity });
    if (order?.do === 'set-person' && !order.enabled) disabledAt = event.at;
  }
  return found;
}

function lateDeliveries({ captures }: Evidence, taken: readonly Withdrawal[], findings: Findings): void {
  const byId = Map.groupBy(taken, ({ spiffeId }) => spiffeId);
  for (const capture of captures) {
    const given = capture.kind === 'x509' ? capture.svids : capture.kind === 'jwt' ? capture.tokens : [];
    for (const { id } of given) {
      const late = byId.get(id)?.find(({ from, until }) => capture.at > from + boundMs && capture.at < until);
      findings.must(
        late === undefined,
        'I4',
        () => `${id} was given ${capture.at - (late?.from ?? 0)} ms after it was acknowledged that it is gone`,
      );
    }
  }
}
