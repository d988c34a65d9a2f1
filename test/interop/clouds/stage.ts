/** One issuer that relying parties reach over TLS, and one workload with what it needs at each: the processes of this run. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodePem } from '../../../src/x509/pem.ts';
import { freePort } from '../../bench/free-port.ts';
import { webCertificate } from '../../fakes/bundle-endpoint.ts';
import { FakeCa, pemOf } from '../../fakes/ca.ts';
import { type Mayfly, newDirectory, type Outcome, run, startMayfly } from '../../integration/fixture.ts';

export const identity = 'spiffe://example.org/web';
/** The common name of its certificates, for those who read no URI. */
export const commonName = 'web';
export const provider = 'projects/123456/locations/global/workloadIdentityPools/pool/providers/mayfly';

export interface Clouds extends AsyncDisposable {
  readonly mayfly: Mayfly;
  readonly issuer: string;
  /** ca.crt, and tls.crt with tls.key for whoever plays a server. */
  readonly tls: string;
  /** Where files of a test go. */
  readonly directory: string;
  /** What a client of somebody else's is started with. */
  readonly env: Readonly<Record<string, string>>;
}

export async function startClouds(): Promise<Clouds> {
  const directory = newDirectory();
  const tls = join(directory, 'tls');
  mkdirSync(tls);
  const ca = new FakeCa('web.example');
  const { cert, key } = pemOf(webCertificate(ca));
  writeFileSync(join(tls, 'ca.crt'), encodePem('CERTIFICATE', ca.certificate));
  writeFileSync(join(tls, 'tls.crt'), cert);
  writeFileSync(join(tls, 'tls.key'), key, { mode: 0o600 });
  const port = await freePort();
  const issuer = `https://localhost:${port}`;
  const served = [
    '--issuer-listen',
    `127.0.0.1:${port}`,
    '--issuer-cert',
    join(tls, 'tls.crt'),
    '--issuer-key',
    join(tls, 'tls.key'),
  ];
  const mayfly = await startMayfly({ directory, flags: ['--issuer', issuer, ...served, '--x509-ttl', '30s'] });
  await mayfly.operator.addPerson('ada');
  const selectors = [`unix:uid:${process.getuid?.()}`];
  await mayfly.operator.create({ spiffeId: identity, selectors, subject: commonName, audiences: ['*'] });
  const env = {
    ...{
      PATH: process.env['PATH'] ?? '',
      HOME: directory,
      XDG_RUNTIME_DIR: join(directory, 'runtime'),
      NODE_EXTRA_CA_CERTS: join(tls, 'ca.crt'),
    },
    ...{ SPIFFE_ENDPOINT_SOCKET: mayfly.endpoint, MAYFLY_ADMIN_SOCKET: mayfly.adminSocket },
  };
  return { mayfly, issuer, tls, directory, env, [Symbol.asyncDispose]: () => mayfly[Symbol.asyncDispose]() };
}

export async function said(clouds: Clouds, ...words: string[]): Promise<string> {
  const { status, stdout, stderr } = await clouds.mayfly.command(...words);
  if (status !== 0) throw new Error(`mayfly ${words.join(' ')}: ${stderr.trim()}`);
  return stdout;
}

/** Runs one of the clients; what it printed as JSON. */
export async function client(
  clouds: Clouds,
  env: Readonly<Record<string, string>>,
  program: string,
  ...words: string[]
): Promise<unknown> {
  const { status, stdout, stderr }: Outcome = await run(process.execPath, [program, ...words], {
    env: { ...clouds.env, ...env },
    cwd: clouds.directory,
  });
  if (status !== 0) throw new Error(stderr.trim().split('\n').slice(0, 6).join(' | '));
  return JSON.parse(stdout);
}

export const serverTls = ({ tls }: Clouds) => ({
  ...{
    cert: readFileSync(join(tls, 'tls.crt')),
    key: readFileSync(join(tls, 'tls.key')),
    ca: readFileSync(join(tls, 'ca.crt')),
  },
});
