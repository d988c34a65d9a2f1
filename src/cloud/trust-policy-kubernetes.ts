import { ownWarnings, type PolicyQuestion, type TrustPolicy } from './trust-policy.ts';

export interface KubernetesPolicyQuestion extends PolicyQuestion {
  /** Before the SPIFFE ID in the user's name, so that no other issuer's users can be taken for it. */
  readonly prefix: string;
  readonly role: string;
  readonly namespace?: string | undefined;
  readonly form: 'file' | 'flags';
  readonly algorithm: string;
}

/** How the API server believes the issuer, and what this one user may. The subject is pinned by the binding. */
export function kubernetesPolicy(question: KubernetesPolicyQuestion): TrustPolicy {
  const { form } = question;
  return {
    text: `${form === 'file' ? configuration(question) : flags(question)}\n${binding(question)}`,
    warnings: [...ownWarnings(question)],
  };
}

/** JSON strings are YAML. */
const quoted = JSON.stringify;

const configuration = ({
  issuer,
  audience,
  prefix,
}: KubernetesPolicyQuestion): string => `# kube-apiserver --authentication-config=FILE
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt:
  - issuer:
      url: ${issuer}
      audiences: [${quoted(audience)}]
      audienceMatchPolicy: MatchAny
    claimMappings:
      username: { claim: sub, prefix: ${quoted(prefix)} }
---`;

/** The flags take RS256 alone unless they are told. */
const flags = ({ issuer, audience, prefix, algorithm }: KubernetesPolicyQuestion): string => `# kube-apiserver
#   --oidc-issuer-url=${issuer}
#   --oidc-client-id=${audience}
#   --oidc-username-claim=sub
#   --oidc-username-prefix=${prefix === '' ? '-' : prefix}
#   --oidc-signing-algs=${algorithm}
---`;

function binding({ name, namespace, prefix, spiffeId, role }: KubernetesPolicyQuestion): string {
  const [kind, where] =
    namespace === undefined ? ['ClusterRoleBinding', ''] : ['RoleBinding', `, namespace: ${quoted(namespace)}`];
  return `apiVersion: rbac.authorization.k8s.io/v1
kind: ${kind}
metadata: { name: ${quoted(name)}${where} }
subjects:
  - { kind: User, apiGroup: rbac.authorization.k8s.io, name: ${quoted(`${prefix}${spiffeId}`)} }
roleRef: { kind: ClusterRole, apiGroup: rbac.authorization.k8s.io, name: ${quoted(role)} }
`;
}
