/** Two real issuers, each of its own trust domain, with bundle endpoints in both profiles. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodePem } from '../../src/x509/pem.ts';
import { webCertificate } from '../fakes/bundle-endpoint.ts';
import { FakeCa, pemOf } from '../fakes/ca.ts';
import { type Mayfly, newDirectory, startMayfly, until } from './fixture.ts';

/** Vouches for the https_web endpoints. */
const webCa = new FakeCa('web.example');

export interface Federated {
  readonly mayfly: Mayfly;
  /** URLs of its bundle endpoints. */
  readonly web: string;
  readonly spiffe: string;
  /** Files. */
  readonly roots: string;
  readonly settings: string;
}

export async function startFederated(trustDomain: string, more = ''): Promise<Federated> {
  const directory = newDirectory();
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  const { cert, key } = pemOf(webCertificate(webCa));
  const web = `certificate: ${file('tls.crt', cert)}, key: ${file('tls.key', key)}`;
  const settings = file(
    'mayfly.yaml',
    `bundle_poll_floor: 1s
bundle_endpoints:
  - { profile: https_web, listen: "127.0.0.1:0", path: /bundle, ${web} }
  - { profile: https_spiffe, listen: "127.0.0.1:0" }
bundle_publish:
  - { to: file, path: ${join(directory, 'published.json')} }
${more}`,
  );
  const roots = file('roots.pem', encodePem('CERTIFICATE', webCa.certificate));
  const mayfly = await startMayfly({ trustDomain, directory, flags: ['--config', settings] });
  await mayfly.operator.addPerson('ada');
  const served = await addresses(mayfly);
  return { mayfly, web: `${served[0]}/bundle`, spiffe: `${served[1]}/`, roots, settings };
}

/** As it logs them: the system gave it the ports. */
async function addresses(mayfly: Mayfly): Promise<readonly string[]> {
  const served = () => [...mayfly.output.matchAll(/"address":"(https:[^"]+)"/g)].map(([, address = '']) => address);
  await until('two bundle endpoints', () => served().length === 2);
  return served();
}
