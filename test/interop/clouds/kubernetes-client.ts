/** Kubernetes' own client: who does the server say we are? Everything it needs is in KUBECONFIG. */
import { AuthenticationV1Api, KubeConfig } from '@kubernetes/client-node';

const config = new KubeConfig();
config.loadFromDefault();
const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
const { status } = await config.makeApiClient(AuthenticationV1Api).createSelfSubjectReview({ body });
process.stdout.write(`${JSON.stringify(status?.userInfo)}\n`);
