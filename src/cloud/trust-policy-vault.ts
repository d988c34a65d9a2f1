import { ownWarnings, type PolicyQuestion, shell, type TrustPolicy } from './trust-policy.ts';

export interface VaultPolicyQuestion extends PolicyQuestion {
  readonly policies: string;
  readonly algorithm: string;
  readonly by: 'jwt' | 'certificate';
}

/** A role that takes one subject: by token or by certificate. OpenBao has the same commands under `bao`. */
export function vaultPolicy(question: VaultPolicyQuestion): TrustPolicy {
  const { by } = question;
  return by === 'jwt'
    ? { text: jwt(question), warnings: ownWarnings(question) }
    : { text: certificate(question), warnings: [needsName] };
}

const needsName =
  'Vault names the alias by the certificate’s common name and refuses one without: give the entry a --subject';

/** The issuer and the algorithm are pinned: neither is taken from the token. */
const jwt = ({ issuer, audience, spiffeId, name, policies, algorithm }: VaultPolicyQuestion): string =>
  `${[
    'vault auth enable jwt',
    `vault write auth/jwt/config oidc_discovery_url=${shell(issuer)} bound_issuer=${shell(issuer)} jwt_supported_algs=${algorithm}`,
    [
      `vault write auth/jwt/role/${shell(name)} role_type=jwt user_claim=sub`,
      `bound_audiences=${shell(audience)} bound_subject=${shell(spiffeId)}`,
      `token_policies=${shell(policies)} token_ttl=10m token_max_ttl=1h`,
    ].join(' \\\n  '),
  ].join('\n')}\n`;

const certificate = ({ spiffeId, name, policies }: VaultPolicyQuestion): string =>
  `${[
    'mayfly bundle show > bundle.pem',
    'vault auth enable cert',
    [
      `vault write auth/cert/certs/${shell(name)} certificate=@bundle.pem allowed_uri_sans=${shell(spiffeId)}`,
      `token_policies=${shell(policies)} token_ttl=10m token_max_ttl=1h`,
    ].join(' \\\n  '),
  ].join('\n')}\n`;
