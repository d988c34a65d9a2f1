import type { Command } from 'commander';
import { awsLeaf, serveAwsLeaf } from './aws-leaf.ts';
import { endpointFlags } from './endpoint.ts';
import { gcpLeaf } from './gcp-leaf.ts';
import { kubernetesLeaf } from './kubernetes-leaf.ts';
import { teachUsage } from './leaf.ts';

export function define(credentials: Command): void {
  awsLeaf(endpointFlags(credentials.command('aws')));
  gcpLeaf(endpointFlags(credentials.command('gcp')));
  kubernetesLeaf(endpointFlags(credentials.command('kubernetes')));
  const serve = teachUsage(credentials.command('serve').helpCommand(false).summary('keep a session, and serve it'));
  serve.description('Keep a session, and serve it.');
  serveAwsLeaf(endpointFlags(serve.command('aws')));
}
