/** I6, I7: what the world was told to believe only ever grew in sequence, and one authority signed at a time. */
import { type Credential, graceMs } from './credential.ts';
import { aheadAt, type Evidence } from './files.ts';
import type { LedgerRecord } from './ledger.ts';
import type { Findings } from './report.ts';
import { certificatesIn, idIn } from './x509.ts';

export function checkSequence({ history }: Evidence, findings: Findings): void {
  let last = { sequence: -1, text: '' };
  for (const event of history) {
    if (event.t !== 'bundle') continue;
    const { spiffe_sequence: sequence } = JSON.parse(event.spiffe) as { readonly spiffe_sequence: number };
    const from = last.sequence;
    findings.must(sequence >= from, 'I7', () => `the bundle's sequence went from ${from} to ${sequence}`);
    const same = sequence !== from || event.spiffe === last.text;
    findings.must(same, 'I7', () => `two bundles have the sequence ${sequence}`);
    last = { sequence, text: event.spiffe };
    findings.count('bundles');
  }
}

/** Whoever was given something that is still valid finds its authority in every bundle that workloads are given. */
export function checkTrust(
  { captures, history }: Evidence,
  credentials: readonly Credential[],
  findings: Findings,
): void {
  // Where the clock is set while it runs, nobody can say what was valid when.
  if (history.some((event) => event.t === 'clock')) return;
  const ahead = aheadAt(history);
  const given = credentials.toSorted((a, b) => a.capture.at - b.capture.at);
  const needed = { x509: new Map<string, number>(), jwt: new Map<string, number>() };
  let next = 0;
  for (const capture of captures.toSorted((a, b) => a.at - b.at)) {
    if (capture.kind !== 'x509-bundles' && capture.kind !== 'jwt-bundles') continue;
    for (
      let credential = given[next];
      credential !== undefined && credential.capture.at < capture.at;
      credential = given[++next]
    ) {
      const until = needed[credential.capture.kind === 'x509' ? 'x509' : 'jwt'];
      until.set(credential.issuer, Math.max(until.get(credential.issuer) ?? 0, credential.notAfter));
    }
    const now = capture.at + ahead(capture.at).most + graceMs;
    const [use, present] = capture.kind === 'x509-bundles' ? (['x509', inX509] as const) : (['jwt', inJwt] as const);
    const ids = new Set(Object.values(capture.bundles).flatMap((text) => [...present(text)]));
    for (const [issuer, until] of needed[use]) {
      if (until <= now) needed[use].delete(issuer);
      else findings.must(ids.has(issuer), 'I7', () => `${issuer} left the bundle ${until - now} ms too early`);
    }
  }
}

const known = new Map<string, ReadonlySet<string>>();

const remembered = (read: (text: string) => string[]) => (text: string) => {
  const ids = known.get(text) ?? new Set(read(text));
  known.set(text, ids);
  return ids;
};

const inX509 = remembered((text) => certificatesIn(Buffer.from(text, 'base64')).map(({ subject }) => idIn(subject)));
const inJwt = remembered((text) => (JSON.parse(text) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid));

/** What was signed before a handover may be put on record after it, for so long. */
const handoverMs = 2_000;

/**
 * Once another authority has signed, the one before it signs no more. What is on record of activations is not enough: a
 * crash between that record and the journal leaves one that took no effect.
 */
export function checkSuccession(records: readonly LedgerRecord[], { history }: Evidence, findings: Findings): void {
  const jumped = history.some((event) => event.t === 'clock');
  for (const kind of ['x509-svid.issued', 'jwt-svid.issued']) {
    const began = new Map<string, number>();
    let latest = '';
    for (const { seq, at, ...record } of records.filter((each) => each.kind === kind)) {
      const authority = String(record['authority']);
      if (!began.has(authority)) {
        began.set(authority, at);
        latest = authority;
        findings.count('authorities that signed');
      }
      const over = at - (began.get(latest) ?? at);
      const held = authority === latest || jumped || over <= handoverMs;
      findings.must(held, 'I6', () => `record ${seq}: ${authority} signs ${over} ms after ${latest} does`);
    }
  }
}
