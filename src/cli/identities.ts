import type { Identities } from '../cloud/identities.ts';
import { IdentityError } from '../errors.ts';
import type { WorkloadApiClient } from '../sdk/client.ts';

/** This process, as the Workload API says it. */
export const identitiesOf = (client: WorkloadApiClient): Identities => ({
  token: async ({ audience, spiffeId }, signal) => {
    const [svid] = await client.fetchJwtSvids({ audience, signal, ...(spiffeId === undefined ? {} : { spiffeId }) });
    if (svid === undefined) throw new IdentityError('unavailable', 'the Workload API answered without a token');
    return svid;
  },
  x509: (signal, onError) => client.watchX509Context({ signal, onError }),
});
