import type {
  Authority,
  Entry,
  ExplainResponse,
  GetStatusResponse,
  LedgerRecord,
  Person,
} from '../gen/mayfly/admin/v1/admin.ts';
import type * as shapes from './shapes.ts';
import type { DocumentOf } from './shapes.ts';

export type PersonDocument = DocumentOf<typeof shapes.person>;
export type EntryDocument = DocumentOf<typeof shapes.entry>;
export type ExplanationDocument = DocumentOf<typeof shapes.explanation>;
export type AuthorityDocument = DocumentOf<typeof shapes.authorities>['authorities'][number];
export type RecordDocument = DocumentOf<typeof shapes.records>['records'][number];
export type StatusDocument = DocumentOf<typeof shapes.status>;

/** Wire messages as the documents that `--json` prints. */
export const personDocument = ({ id, name, email, enabled, createdAt, entries }: Person): PersonDocument => ({
  id,
  name,
  email,
  enabled,
  createdAt: time(createdAt),
  entries,
});

export const entryDocument = (entry: Entry): EntryDocument => ({
  ...entry,
  expiresAt: timeOrNull(entry.expiresAt),
  createdAt: time(entry.createdAt),
});

export const explanationDocument = (answer: ExplainResponse): ExplanationDocument => ({
  pid: answer.pid,
  uid: answer.uid,
  gid: answer.gid,
  path: answer.path,
  startedAt: timeOrNull(answer.startedAt),
  selectors: answer.selectors,
  matched: answer.matched.map(entryDocument),
  near: answer.near.flatMap(({ entry, reason, missingSelector, missing }) =>
    entry === undefined
      ? []
      : [{ entry: entryDocument(entry), reason, missingSelector: textOrNull(missingSelector), missing }],
  ),
});

export const authorityDocument = (authority: Authority): AuthorityDocument => ({
  id: authority.id,
  kind: authority.kind,
  keyType: authority.keyType,
  state: authority.state,
  preparedAt: timeOrNull(authority.preparedAt),
  activatesAt: timeOrNull(authority.activatesAt),
  expiresAt: timeOrNull(authority.expiresAt),
});

export const recordDocument = ({ seq, at, kind, json }: LedgerRecord): RecordDocument => ({
  seq,
  at: time(at),
  kind,
  record: JSON.parse(json) as object,
});

export const statusDocument = (answer: GetStatusResponse): StatusDocument => ({
  ...answer,
  startedAt: timeOrNull(answer.startedAt),
});

export const textOrNull = (text: string): string | null => (text === '' ? null : text);
const timeOrNull = (date: Date | undefined): string | null => date?.toISOString() ?? null;
/** A server always sends these; the epoch shows that one did not. */
const time = (date: Date | undefined): string => (date ?? new Date(0)).toISOString();
