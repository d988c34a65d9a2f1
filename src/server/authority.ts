/** The trust bundle and the authorities behind it, over the admin API. */
import type { Authority, AuthoritySummary } from '../authority/authority.ts';
import type * as wire from '../gen/mayfly/admin/v1/admin.ts';
import { formatBundle, formatPlainJwks } from '../spiffe/bundle.ts';
import type { AdminHandlers } from './admin.ts';

export const authorityMethods = (authority: Authority): Pick<AdminHandlers, 'getBundle' | 'listAuthorities'> => ({
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
});

const toWire = (record: AuthoritySummary): wire.Authority => ({
  id: record.id,
  kind: record.kind,
  keyType: record.keyType,
  state: record.state,
  preparedAt: new Date(record.preparedAt),
  activatesAt: record.activatesAt === undefined ? undefined : new Date(record.activatesAt),
  expiresAt: new Date(record.expiresAt),
});
