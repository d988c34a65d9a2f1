import { type Command, Option } from 'commander';
import { parseRole } from '../cloud/aws.ts';
import { adminLeaf } from './admin-leaf.ts';
import { parsed } from './leaf.ts';
import * as shapes from './shapes.ts';
import type { AwsPolicyOptions } from './trust-policy-aws.ts';

export function awsTrustPolicyLeaf(command: Command): void {
  command
    .requiredOption('--entry <id>', 'the entry, or its SPIFFE ID')
    .requiredOption('--role-arn <arn>', 'the role whose policy it is', parsed(parseRole))
    .addOption(via())
    .option(
      '--audience <name>',
      'who the token is for: what the identity provider in the account lists',
      'sts.amazonaws.com',
    )
    .option('--trust-anchor-arn <arn>', 'with roles-anywhere: our root, as the account knows it');
  adminLeaf<[], AwsPolicyOptions>(command, {
    does: 'the trust policy by which a role at AWS takes one identity of ours, and no other',
    about:
      'For `aws iam create-role --assume-role-policy-document`. The account needs our issuer as an identity provider with ' +
      'that audience, or for roles-anywhere our root as a trust anchor; docs/federate/aws.md shows the commands.',
    prints: shapes.awsTrustPolicy,
    examples: [
      'mayfly trust-policy aws --entry spiffe://example.org/deploy --role-arn arn:aws:iam::123456789012:role/deploy',
    ],
    ask: async (admin, _, options) => (await import('./trust-policy-aws.ts')).awsTrustPolicy(admin, options),
  });
}

const via = (): Option =>
  new Option('--via <way>', 'by JWT-SVID (web-identity) or by X.509-SVID (roles-anywhere)')
    .choices(['web-identity', 'roles-anywhere'])
    .default('web-identity');
