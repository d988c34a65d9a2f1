import type { Command } from 'commander';
import { awsTrustPolicyLeaf } from './trust-policy-aws-leaf.ts';

export function define(policy: Command): void {
  awsTrustPolicyLeaf(policy.command('aws'));
}
