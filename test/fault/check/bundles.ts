/** I6, I7: what the world was told to believe only ever grew in sequence, and one authority signed at a time. */
import type { Capture } from '../captures.ts';
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

/** Whoever was given something that is still valid finds its authority in every bundle that it is given afterwards. */
export function checkTrust(evidence: Evidence, credentials: readonly Credential[], findings: Findings): void {
  // Where the clock is set while it runs, nobody can say what was valid when.
  if (evidence.history.some((event) => event.t === 'clock')) return;
  const given = Map.groupBy(credentials, ({ capture }) => capture.pid);
  const bundles = Map.groupBy(evidence.captures.filter(isBundles), ({ pid }) => pid);
  const ahead = aheadAt(evidence.history);
  for (const [pid, all] of bundles)
    checkTrustOf(
      all,
      (given.get(pid) ?? []).toSorted((a, b) => a.capture.at - b.capture.at),
      ahead,
      findings,
    );
}

type Bundles = Extract<Capture, { kind: 'x509-bundles' | 'jwt-bundles' }>;

const isBundles = (capture: Capture): capture is Bundles => capture.kind.endsWith('-bundles');

/** Of one process, for which the order is certain. */
function checkTrustOf(
  bundles: readonly Bundles[],
  given: readonly Credential[],
  ahead: ReturnType<typeof aheadAt>,
  findings: Findings,
): void {
  const needed = { x509: new Map<string, number>(), jwt: new Map<string, number>() };
  let next = 0;
  for (const { kind, at, bundles: texts } of bundles) {
    for (; (given[next]?.capture.at ?? Infinity) < at; next++) need(needed, given[next]);
    const now = at + ahead(at).most + graceMs;
    const [use, present] = kind === 'x509-bundles' ? (['x509', inX509] as const) : (['jwt', inJwt] as const);
    const ids = new Set(Object.values(texts).flatMap((text) => [...present(text)]));
    for (const [issuer, until] of needed[use]) {
      if (until <= now) needed[use].delete(issuer);
      else findings.must(ids.has(issuer), 'I7', () => `${issuer} left the bundle ${until - now} ms too early`);
    }
  }
}

/** Until when an authority must be in the bundle. */
function need(needed: Record<'x509' | 'jwt', Map<string, number>>, credential: Credential | undefined): void {
  if (credential === undefined) return;
  const { issuer, notAfter, capture } = credential;
  const until = needed[capture.kind === 'x509' ? 'x509' : 'jwt'];
  until.set(issuer, Math.max(until.get(issuer) ?? 0, notAfter));
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
