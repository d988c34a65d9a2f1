import { formatJwks } from '../spiffe/bundle.ts';
import { asked } from './endpoint.ts';
import type { Answer } from './leaf.ts';
import { certificatePem } from './pem.ts';
import type { EndpointOptions } from './sockets.ts';
import { table } from './text.ts';

/** X.509 and JWT bundles side by side, by trust domain. */
export const fetchBundles = (options: EndpointOptions): Promise<Answer> =>
  asked(options, async (client, signal) => {
    const [x509, jwt] = await Promise.all([client.fetchX509Bundles({ signal }), client.fetchJwtBundles({ signal })]);
    const trustDomains = [...new Set([...x509.keys(), ...jwt.keys()])].sort();
    const bundles = trustDomains.map((trustDomain) => ({
      trustDomain,
      x509Authorities: (x509.get(trustDomain) ?? []).map(certificatePem),
      jwks: JSON.parse(formatJwks(jwt.get(trustDomain) ?? [])) as object,
    }));
    const rows = trustDomains.map((trustDomain) => [
      trustDomain,
      String(x509.get(trustDomain)?.length ?? 0),
      String(jwt.get(trustDomain)?.length ?? 0),
    ]);
    return { document: { bundles }, text: table(['TRUST DOMAIN', 'X.509 AUTHORITIES', 'JWT KEYS'], rows) };
  });
