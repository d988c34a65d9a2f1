/**
 * A workload, as anybody would write one: it asks the Workload API who it is. It knows no secret and says nothing about
 * itself; started by root, it first becomes the user given as its argument, as a service manager would make it.
 */

import { WorkloadApiClient } from '../../src/sdk/sdk.ts';
import { encodePem } from '../../src/x509/pem.ts';

const [uid, audience = ''] = process.argv.slice(2);
if (process.geteuid?.() === 0) {
  process.setgroups?.([]);
  process.setgid?.(Number(uid));
  process.setuid?.(Number(uid));
}

using client = new WorkloadApiClient();
try {
  const { svids, bundles } = await client.fetchX509Context();
  const tokens = await client.fetchJwtSvids({ audience: [audience] });
  const [svid] = svids;
  if (svid === undefined) throw new Error('the Workload API sent no SVID');
  const pem = (certificates: readonly Buffer[]): string =>
    certificates.map((der) => encodePem('CERTIFICATE', der)).join('');
  process.send?.({
    id: svid.id,
    certificates: pem(svid.certificates),
    bundle: pem([...bundles.values()].flat()),
    token: tokens[0]?.token,
  });
} catch (error) {
  process.send?.({ refused: error instanceof Error ? error.message : String(error) });
}
