/** The trust policy of a role at AWS for one identity of ours: exact in issuer, audience and subject, so that nobody else fits. */
import type { AwsRole } from './aws.ts';

export interface ByToken {
  readonly role: AwsRole;
  readonly spiffeId: string;
  /** Without its scheme. */
  readonly issuer: string;
  readonly audience: string;
  /** Its tokens carry session tags, or say who the source is: without these permissions AWS refuses them whole. */
  readonly tags: boolean;
  readonly sourceIdentity: boolean;
}

export interface ByCertificate {
  readonly spiffeId: string;
  readonly trustAnchorArn: string;
}

/** Of AssumeRoleWithWebIdentity. The keys of the condition begin with the issuer, as AWS has it. */
export function tokenPolicy({ role, spiffeId, issuer, audience, tags, sourceIdentity }: ByToken): object {
  const actions = [
    'sts:AssumeRoleWithWebIdentity',
    ...(tags ? ['sts:TagSession'] : []),
    ...(sourceIdentity ? ['sts:SetSourceIdentity'] : []),
  ];
  const provider = `arn:${role.partition}:iam::${role.account}:oidc-provider/${issuer}`;
  return statement({ Federated: [provider] }, actions, {
    StringEquals: { [`${issuer}:aud`]: audience, [`${issuer}:sub`]: spiffeId },
  });
}

/** Of Roles Anywhere, which makes a tag of the first URI in the certificate. */
export const certificatePolicy = ({ spiffeId, trustAnchorArn }: ByCertificate): object =>
  statement(
    { Service: ['rolesanywhere.amazonaws.com'] },
    ['sts:AssumeRole', 'sts:TagSession', 'sts:SetSourceIdentity'],
    {
      StringEquals: { 'aws:PrincipalTag/x509SAN/URI': spiffeId },
      ArnEquals: { 'aws:SourceArn': trustAnchorArn },
    },
  );

const statement = (Principal: object, Action: readonly string[], Condition: object): object => ({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal, Action, Condition }],
});

/** Of a token that AWS takes. */
export const longestSubject = 255;
