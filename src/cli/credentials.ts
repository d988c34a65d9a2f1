import type { Command } from 'commander';
import { awsLeaf, serveAwsLeaf } from './aws-leaf.ts';
import { endpointFlags } from './endpoint.ts';
import { gcpLeaf, serveGcpLeaf } from './gcp-leaf.ts';
import { kubernetesLeaf } from './kubernetes-leaf.ts';
import { teachUsage } from './leaf.ts';

export function define(credentials: Command): void {
  awsLeaf(endpointFlags(credentials.command('aws')));
  gcpLeaf(endpointFlags(credentials.command('gcp')));
  kubernetesLeaf(endpointFlags(credentials.command('kubernetes')));
  const serve = teachUsage(
    credentials.command('serve').helpCommand(false).summary('serve credentials to programs of this user'),
  );
  serve.description('Serve credentials to programs of this user.');
  serveAwsLeaf(endpointFlags(serve.command('aws')));
  serveGcpLeaf(endpointFlags(serve.command('gcp')));
}
