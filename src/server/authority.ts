/** The trust bundle and the authorities behind it, over the admin API. */
import type { Authority, AuthoritySummary, Span } from '../authority/authority.ts';
import type * as wire from '../gen/mayfly/admin/v1/admin.ts';
import type { Clock } from '../runtime/clock.ts';
import { formatBundle, formatPlainJwks } from '../spiffe/bundle.ts';
import type { AdminHandlers } from './admin.ts';

type AuthorityMethods = 'getBundle' | 'listAuthorities' | 'getAuthorityTimeline';

export const authorityMethods = (authority: Authority, clock: Clock): Pick<AdminHandlers, AuthorityMethods> => ({
  getBundle: () => {
    const bundle = authority.bundle.value;
    return {
      trustDomain: bundle.trustDomain,
      x509Authorities: [...bundle.x509Authorities],
      jwks: formatPlainJwks(bundle.jwtAuthorities),
      spiffe: formatBundle(bundle),
    };
  },
  listAuthorities: () => ({ authorities: authority.authorities().map(toWire) }),
  getAuthorityTimeline: ({ until: asked }) => {
    const now = clock.now();
    const until = asked?.getTime() ?? Math.max(...authority.authorities().map(({ expiresAt }) => expiresAt));
    return { now: new Date(now), until: new Date(until), spans: authority.timeline(until).map(spanToWire) };
  },
});

const toWire = (record: AuthoritySummary): wire.Authority => ({
  id: record.id,
  kind: record.kind,
  keyType: record.keyType,
  state: record.state,
  preparedAt: new Date(record.preparedAt),
  activatesAt: dateOf(record.activatesAt),
  expiresAt: new Date(record.expiresAt),
  retiredAt: dateOf(record.retiredAt),
  taintedAt: dateOf(record.taintedAt),
  keyPlace: record.place,
});

const spanToWire = (span: Span): wire.AuthoritySpan => ({
  id: span.id,
  kind: span.kind,
  state: span.state ?? '',
  publishedAt: new Date(span.publishedAt),
  activatesAt: dateOf(span.activatesAt),
  retiresAt: dateOf(span.retiresAt),
  taintedAt: dateOf(span.taintedAt),
  expiresAt: new Date(span.expiresAt),
  removedAt: new Date(span.removedAt),
});

const dateOf = (at: number | undefined): Date | undefined => (at === undefined ? undefined : new Date(at));
