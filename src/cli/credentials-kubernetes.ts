import { certificateCredential, type ExecVersion, tokenCredential, versionIn } from '../cloud/kubernetes.ts';
import { IdentityError } from '../errors.ts';
import { systemClock } from '../runtime/clock.ts';
import { environment } from '../runtime/environment.ts';
import { asked } from './endpoint.ts';
import { identitiesOf } from './identities.ts';
import type { Answer } from './leaf.ts';
import type { EndpointOptions } from './sockets.ts';

export interface KubernetesOptions extends EndpointOptions {
  readonly audience?: string;
  readonly clientCertificate?: boolean;
  readonly apiVersion?: ExecVersion;
  readonly spiffeId?: string;
}

export function kubernetesCredentials(options: KubernetesOptions): Promise<Answer> {
  const { audience, clientCertificate, spiffeId } = options;
  if ((audience === undefined) === (clientCertificate !== true)) {
    throw new IdentityError(
      'invalid-argument',
      'a token or a certificate: name one of --audience and --client-certificate',
    );
  }
  const version = options.apiVersion ?? versionIn(environment.named('KUBERNETES_EXEC_INFO'));
  return asked(options, async (client, signal) => {
    const now = systemClock.now();
    if (audience !== undefined) {
      const token = await identitiesOf(client).token({ audience, spiffeId }, signal);
      return printed(tokenCredential(token, version, now));
    }
    const { svids } = await client.fetchX509Context({ signal });
    const svid = svids.find(({ id }) => spiffeId === undefined || id === spiffeId);
    if (svid === undefined) throw new IdentityError('not-found', `this process has no X.509-SVID ${spiffeId}`);
    return printed(certificateCredential(svid, version, now));
  });
}

const printed = (document: object): Answer => ({ document, text: `${JSON.stringify(document)}\n` });
