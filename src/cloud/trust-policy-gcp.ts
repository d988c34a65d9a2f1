import { audienceOf, type GcpProvider, parseProvider } from './gcp.ts';
import { commandText, ownWarnings, type PolicyQuestion, shell, type TrustPolicy } from './trust-policy.ts';

export interface GcpPolicyQuestion extends Omit<PolicyQuestion, 'audience'> {
  readonly projectNumber: string;
  readonly pool: string;
  readonly provider: string;
  readonly serviceAccount?: string | undefined;
}

/** `google.subject` takes no more. */
const longestSubject = 127;

/** gcloud commands: a pool, a provider that takes one subject, and what that subject may be. */
export function gcpPolicy(question: GcpPolicyQuestion): TrustPolicy & { readonly audience: string } {
  const { spiffeId, issuer, projectNumber, pool, provider, serviceAccount } = question;
  const resource: GcpProvider = parseProvider(
    `projects/${projectNumber}/locations/global/workloadIdentityPools/${pool}/providers/${provider}`,
  );
  const fits = Buffer.byteLength(spiffeId) <= longestSubject;
  const member = memberOf(resource, spiffeId, fits);
  const audience = audienceOf(resource);
  const creating = commandText(`gcloud iam workload-identity-pools providers create-oidc ${provider}`, {
    location: 'global',
    'workload-identity-pool': pool,
    'issuer-uri': issuer,
    'attribute-mapping': `google.subject=${fits ? 'assertion.sub' : 'assertion.jti'},attribute.spiffe_id=assertion.sub`,
    'attribute-condition': `assertion.sub == '${spiffeId}'`,
  });
  const binding =
    serviceAccount === undefined
      ? commandText('gcloud projects add-iam-policy-binding PROJECT', { member, role: 'ROLE' })
      : commandText(`gcloud iam service-accounts add-iam-policy-binding ${shell(serviceAccount)}`, {
          member,
          role: 'roles/iam.workloadIdentityUser',
        });
  const pooling = `gcloud iam workload-identity-pools create ${pool} --location=global`;
  const long = `the SPIFFE ID is longer than the ${longestSubject} bytes of google.subject: the principal is named by attribute.spiffe_id`;
  return {
    audience,
    text: `${pooling}\n\n${creating}\n\n${binding}\n`,
    warnings: [...ownWarnings({ ...question, audience }), ...(fits ? [] : [long])],
  };
}

function memberOf(resource: GcpProvider, spiffeId: string, fits: boolean): string {
  const pool = resource.replace(/\/providers\/.*$/, '');
  const root = pool.replace(/^\/\//, '');
  return fits ? `principal://${root}/subject/${spiffeId}` : `principalSet://${root}/attribute.spiffe_id/${spiffeId}`;
}
