import type { Command } from 'commander';
import { awsTrustPolicyLeaf } from './trust-policy-aws-leaf.ts';
import {
  azureTrustPolicyLeaf,
  gcpTrustPolicyLeaf,
  kubernetesTrustPolicyLeaf,
  vaultTrustPolicyLeaf,
} from './trust-policy-leaves.ts';

export function define(policy: Command): void {
  awsTrustPolicyLeaf(policy.command('aws'));
  azureTrustPolicyLeaf(policy.command('azure'));
  gcpTrustPolicyLeaf(policy.command('gcp'));
  kubernetesTrustPolicyLeaf(policy.command('kubernetes'));
  vaultTrustPolicyLeaf(policy.command('vault'));
}
