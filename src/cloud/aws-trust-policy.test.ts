import { describe, expect, it } from 'vitest';
import { parseRole } from './aws.ts';
import { certificatePolicy, tokenPolicy } from './aws-trust-policy.ts';

const spiffeId = 'spiffe://example.org/deploy';
const about = {
  spiffeId,
  issuer: 'id.example.org/prod',
  audience: 'sts.amazonaws.com',
  tags: false,
  sourceIdentity: false,
};

describe('the trust policy of a role at AWS', () => {
  it('is pinned to the issuer, the audience and the subject', () => {
    const policy = tokenPolicy({ ...about, role: parseRole('arn:aws-cn:iam::123456789012:role/deploy') });
    expect(policy).toEqual({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { Federated: ['arn:aws-cn:iam::123456789012:oidc-provider/id.example.org/prod'] },
          Action: ['sts:AssumeRoleWithWebIdentity'],
          Condition: {
            StringEquals: { 'id.example.org/prod:aud': 'sts.amazonaws.com', 'id.example.org/prod:sub': spiffeId },
          },
        },
      ],
    });
  });

  it('permits the tags and the source that its tokens carry, or AWS would refuse them whole', () => {
    const role = parseRole('arn:aws:iam::123456789012:role/deploy');
    const policy = tokenPolicy({ ...about, role, tags: true, sourceIdentity: true });
    expect(policy).toMatchObject({
      Statement: [{ Action: ['sts:AssumeRoleWithWebIdentity', 'sts:TagSession', 'sts:SetSourceIdentity'] }],
    });
  });

  it('for Roles Anywhere is pinned to the URI of the certificate and to the trust anchor', () => {
    const trustAnchorArn = 'arn:aws:rolesanywhere:eu-central-1:123456789012:trust-anchor/a';
    expect(certificatePolicy({ spiffeId, trustAnchorArn })).toMatchObject({
      Statement: [
        {
          Principal: { Service: ['rolesanywhere.amazonaws.com'] },
          Condition: {
            StringEquals: { 'aws:PrincipalTag/x509SAN/URI': spiffeId },
            ArnEquals: { 'aws:SourceArn': trustAnchorArn },
          },
        },
      ],
    });
  });
});
