import type {
  Authority,
  OrderAuthorityOutcome as AuthorityOutcome,
  Entry,
  ExplainResponse,
  Federation,
  ForeignBundle,
  GetAuthorityTimelineResponse,
  GetStatusResponse,
  LedgerRecord,
  Person,
  RevokedCredential,
} from '../gen/mayfly/admin/v1/admin.ts';
import type * as shapes from './shapes.ts';
import type { DocumentOf } from './shapes.ts';
import type { rotation } from './shapes-oidc.ts';

export type PersonDocument = DocumentOf<typeof shapes.person>;
export type EntryDocument = DocumentOf<typeof shapes.entry>;
export type ExplanationDocument = DocumentOf<typeof shapes.explanation>;
export type AuthorityDocument = DocumentOf<typeof shapes.authorities>['authorities'][number];
export type TimelineDocument = DocumentOf<typeof shapes.timeline>;
export type OrderDocument = DocumentOf<typeof shapes.order>;
export type RotationDocument = DocumentOf<typeof rotation>;
export type RevocationDocument = DocumentOf<typeof shapes.revocation>;
export type RecordDocument = DocumentOf<typeof shapes.records>['records'][number];
export type FederationDocument = DocumentOf<typeof shapes.federation>;
export type ForeignBundleDocument = DocumentOf<typeof shapes.foreignBundle>;
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
  retiredAt: timeOrNull(authority.retiredAt),
  taintedAt: timeOrNull(authority.taintedAt),
  keyPlace: authority.keyPlace,
});

export const timelineDocument = ({ now, until, spans }: GetAuthorityTimelineResponse): TimelineDocument => ({
  now: time(now),
  until: time(until),
  spans: spans.map((span) => ({
    id: textOrNull(span.id),
    kind: span.kind,
    state: textOrNull(span.state),
    publishedAt: time(span.publishedAt),
    activatesAt: timeOrNull(span.activatesAt),
    retiresAt: timeOrNull(span.retiresAt),
    taintedAt: timeOrNull(span.taintedAt),
    expiresAt: time(span.expiresAt),
    removedAt: time(span.removedAt),
  })),
});

export const orderDocument = (outcome: AuthorityOutcome, dryRun: boolean): OrderDocument => ({
  authority: textOrNull(outcome.authority),
  dryRun,
  steps: outcome.steps.map(({ verb, authority }) => ({ verb, authority: textOrNull(authority) })),
  needs: outcome.needs,
  use: {
    credentials: outcome.use?.credentials ?? 0,
    spiffeIds: outcome.use?.spiffeIds ?? [],
    streams: outcome.use?.streams ?? 0,
    until: timeOrNull(outcome.use?.until),
  },
});

export const revocationDocument = (revoked: RevokedCredential): RevocationDocument => ({
  ...revoked,
  serial: textOrNull(revoked.serial),
  jti: textOrNull(revoked.jti),
  revokedAt: time(revoked.revokedAt),
  expiresAt: time(revoked.expiresAt),
});

export const recordDocument = ({ seq, at, kind, json }: LedgerRecord): RecordDocument => ({
  seq,
  at: time(at),
  kind,
  record: JSON.parse(json) as object,
});

export const foreignBundleDocument = (bundle: ForeignBundle): ForeignBundleDocument => ({
  trustDomain: bundle.trustDomain,
  sequence: textOrNull(bundle.sequence),
  x509Authorities: bundle.x509Authorities.length,
  jwtAuthorities: bundle.jwtAuthorities,
  source: bundle.source,
  storedAt: time(bundle.storedAt),
});

export const federationDocument = (federation: Federation): FederationDocument => ({
  trustDomain: federation.trustDomain,
  endpointUrl: federation.endpointUrl,
  profile: federation.profile,
  endpointSpiffeId: textOrNull(federation.endpointSpiffeId),
  roots: textOrNull(federation.roots),
  privateAddresses: federation.privateAddresses,
  createdAt: time(federation.createdAt),
  sequence: textOrNull(federation.bundle?.sequence ?? ''),
  x509Authorities: federation.bundle?.x509Authorities.length ?? 0,
  jwtAuthorities: federation.bundle?.jwtAuthorities ?? 0,
  bundleStoredAt: timeOrNull(federation.bundle?.storedAt),
  fetchedAt: timeOrNull(federation.fetchedAt),
  nextPollAt: timeOrNull(federation.nextPollAt),
  failures: federation.failures,
  lastError: textOrNull(federation.lastError),
});

export const statusDocument = (answer: GetStatusResponse): StatusDocument => ({
  ...answer,
  startedAt: timeOrNull(answer.startedAt),
});

export const textOrNull = (text: string): string | null => (text === '' ? null : text);
const timeOrNull = (date: Date | undefined): string | null => date?.toISOString() ?? null;
/** A server always sends these; the epoch shows that one did not. */
const time = (date: Date | undefined): string => (date ?? new Date(0)).toISOString();
