import type { EntryWarning } from '../gen/mayfly/admin/v1/admin.ts';
import type { EntryDocument } from './documents.ts';
import { facts, lifetime, moment, plural, table } from './text.ts';

/** A bulk load may bring a warning for each entry; a person reads this many. */
const mostWarnings = 10;

export const entryFacts = (entry: EntryDocument): string =>
  facts([
    ['id', entry.id],
    ['SPIFFE ID', entry.spiffeId],
    ['selectors', entry.selectors.join(' ')],
    ['owner', entry.owner],
    ['description', entry.description],
    ['X.509-SVID life', lifetime(entry.x509SvidTtl)],
    ['JWT-SVID life', lifetime(entry.jwtSvidTtl)],
    ['audiences', entry.audiences.join(' ') || 'none, so no JWT-SVIDs'],
    ['DNS names', entry.dnsNames.join(' ')],
    ['subject', entry.subject],
    ['hint', entry.hint],
    ['federates with', entry.federatesWith.join(' ')],
    ['expires', moment(entry.expiresAt)],
    ['revision', String(entry.revision)],
    ['created', moment(entry.createdAt)],
  ]);

export function entryTable(entries: readonly EntryDocument[]): string {
  if (entries.length === 0) return 'No entry matches. `mayfly entry create --help` shows how to make one.\n';
  const rows = entries.map((e) => [e.id, e.spiffeId, e.owner, moment(e.expiresAt) || 'never', e.selectors.join(' ')]);
  return table(['ID', 'SPIFFE ID', 'OWNER', 'EXPIRES', 'SELECTORS'], rows);
}

export function warningLines(warnings: readonly EntryWarning[]): string[] {
  const lines = warnings.slice(0, mostWarnings).map(({ entryId, text }) => `entry ${entryId}: ${text}`);
  const more = warnings.length - lines.length;
  return more > 0 ? [...lines, `and ${plural(more, 'more warning')}; --json shows all`] : lines;
}
