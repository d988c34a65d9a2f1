/** A gateway that believes one issuer, with one role for one of its identities: what an administrator of both would set up. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodePem } from '../../../src/x509/pem.ts';
import { freePort } from '../../bench/free-port.ts';
import { webCertificate } from '../../fakes/bundle-endpoint.ts';
import { FakeCa, pemOf } from '../../fakes/ca.ts';
import { type Mayfly, newDirectory, run, startMayfly } from '../../integration/fixture.ts';
import { awsCli } from '../tools.ts';
import { CephCluster } from './cluster.ts';

export const audience = 'sts.amazonaws.com';
export const role = 'arn:aws:iam:::role/deploy';
export const identity = 'spiffe://example.org/deploy';

export interface Account extends AsyncDisposable {
  readonly mayfly: Mayfly;
  readonly cluster: CephCluster;
  readonly issuer: string;
  /** The certificate and key that the issuer is served with, and who signed it. */
  readonly tls: string;
}

export async function startAccount(): Promise<Account> {
  await using undo = new AsyncDisposableStack();
  const directory = newDirectory();
  const tls = writeTls(directory);
  const port = await freePort();
  const issuer = `https://localhost:${port}`;
  const settings = { issuer, issuer_listen: `127.0.0.1:${port}`, issuer_x5c: true };
  const files = { issuer_cert: join(tls, 'tls.crt'), issuer_key: join(tls, 'tls.key') };
  const config = join(directory, 'mayfly.yaml');
  writeFileSync(config, JSON.stringify({ ...settings, ...files }));
  const mayfly = undo.use(await startMayfly({ directory, flags: ['--config', config] }));
  await mayfly.operator.addPerson('ada');
  const selectors = ['unix:uid:0'];
  await mayfly.operator.create({ spiffeId: identity, selectors, audiences: [audience, 'reports'] });
  await mayfly.operator.create({ spiffeId: 'spiffe://example.org/other', selectors, audiences: [audience] });
  const cluster = undo.use(await CephCluster.start(join(tls, 'ca.crt')));
  await registerProvider(mayfly, cluster, issuer);
  const policy = await said(mayfly, 'trust-policy', 'aws', '--entry', identity, '--role-arn', role);
  await cluster.admin('role', 'create', '--role-name=deploy', '--path=/', `--assume-role-policy-doc=${policy}`);
  await cluster.admin('role-policy', 'put', '--role-name=deploy', '--policy-name=s3', `--policy-doc=${everythingInS3}`);
  const opened = undo.move();
  return { mayfly, cluster, issuer, tls, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

const everythingInS3 = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: ['s3:*'], Resource: ['*'] }],
});

function writeTls(directory: string): string {
  const ca = new FakeCa('web.example');
  const { cert, key } = pemOf(webCertificate(ca));
  const tls = join(directory, 'tls');
  mkdirSync(tls);
  writeFileSync(join(tls, 'ca.crt'), encodePem('CERTIFICATE', ca.certificate));
  writeFileSync(join(tls, 'tls.crt'), cert);
  writeFileSync(join(tls, 'tls.key'), key, { mode: 0o600 });
  return tls;
}

/** The thumbprint is of the certificate around the token key, and not of TLS as at AWS. */
async function registerProvider(mayfly: Mayfly, cluster: CephCluster, issuer: string): Promise<void> {
  const { documents } = JSON.parse(await said(mayfly, 'oidc', 'show', '--json')) as { documents: Document[] };
  const x5c = documents.find(({ path }) => path === '/keys')?.content.keys?.[0]?.x5c?.[0];
  if (x5c === undefined) throw new Error('the first key has no certificate');
  const thumbprint = createHash('sha1').update(Buffer.from(x5c, 'base64')).digest('hex');
  const words = ['--url', issuer, '--client-id-list', audience, '--thumbprint-list', thumbprint];
  const env = {
    ...{ PATH: process.env['PATH'], AWS_EC2_METADATA_DISABLED: 'true', AWS_DEFAULT_REGION: 'us-east-1' },
    ...{ AWS_ACCESS_KEY_ID: cluster.operator.accessKey, AWS_SECRET_ACCESS_KEY: cluster.operator.secretKey },
    AWS_ENDPOINT_URL: cluster.endpoint,
  };
  const made = await run(awsCli, ['iam', 'create-open-id-connect-provider', ...words], { env });
  if (made.status !== 0) throw new Error(made.stderr.trim());
}

interface Document {
  readonly path: string;
  readonly content: { readonly keys?: readonly { readonly x5c?: readonly string[] }[] };
}

async function said(mayfly: Mayfly, ...words: string[]): Promise<string> {
  const { status, stdout, stderr } = await mayfly.command(...words);
  if (status !== 0) throw new Error(stderr.trim());
  return stdout;
}
