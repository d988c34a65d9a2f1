/** I6, I7: what the world was told to believe only ever grew in sequence, and one authority signed at a time. */
import type { Evidence } from './files.ts';
import type { LedgerRecord } from './ledger.ts';
import type { Findings } from './report.ts';

export function checkBundles({ history }: Evidence, findings: Findings): void {
  let last = { sequence: -1, text: '' };
  for (const event of history) {
    if (event.t !== 'bundle') continue;
    const { spiffe_sequence: sequence } = JSON.parse(event.spiffe) as { readonly spiffe_sequence: number };
    findings.must(
      sequence >= last.sequence,
      'I7',
      () => `the bundle's sequence went from ${last.sequence} to ${sequence}`,
    );
    findings.must(
      sequence !== last.sequence || event.spiffe === last.text,
      'I7',
      () => `two bundles have the sequence ${sequence}`,
    );
    last = { sequence, text: event.spiffe };
    findings.count('bundles');
  }
}

/** The old one is retired in the same breath in which its successor is activated. */
export function checkSuccession(records: readonly LedgerRecord[], findings: Findings): void {
  for (const use of ['x509', 'jwt']) {
    let active = new Set<string>();
    for (const { kind, seq, ...record } of records.filter((each) => each['use'] === use)) {
      const id = String(record['authority']);
      if (kind === 'authority.activated') {
        active.add(id);
        findings.count('authorities activated');
      }
      if (kind === 'authority.retired' || kind === 'authority.removed') active.delete(id);
      if (kind === 'authority.prepared') {
        // Between two steps of one succession a crash may leave both on record; whoever goes on has settled it.
        findings.must(
          active.size <= 1,
          'I6',
          () => `before record ${seq}, ${[...active].join(' and ')} are both active for ${use}`,
        );
        active = new Set([...active].slice(-1));
      }
    }
  }
}
