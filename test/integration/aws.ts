/** An account at AWS as far as we meet it: an STS that believes a running mayfly, and one role for one of its identities. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { createLocalJWKSet, type JSONWebKeySet } from 'jose';
import type { LocalTls } from '../fakes/local-tls.ts';
import { StrictSts } from '../fakes/sts.ts';
import { certificates } from './documents.ts';
import { first, launcher, type Mayfly } from './fixture.ts';

export const role = 'arn:aws:iam::123456789012:role/deploy';
export const audience = 'sts.amazonaws.com';
export const deploy = {
  ...{ spiffeId: 'spiffe://example.org/deploy', selectors: ['unix:uid:0'], audiences: [audience] },
  subject: 'deploy',
};
interface Published {
  readonly path: string;
  readonly content: object;
}

export const anchors = {
  trustAnchor: 'arn:aws:rolesanywhere:eu-central-1:123456789012:trust-anchor/a545a1fc-5d86-4032-8f4c-61cdd6ff92da',
  profile: 'arn:aws:rolesanywhere:eu-central-1:123456789012:profile/6f4943fb-13d4-4242-89c4-be367595c380',
};

export const issuer = 'https://id.example.org/prod';

/** The entry has to be there: whoever asks for bundles is owed an identity. */
export async function startAccount(mayfly: Mayfly, tls?: LocalTls): Promise<StrictSts> {
  const workload = await mayfly.workload(0);
  const own = `spiffe://${mayfly.trustDomain}`;
  const { documents } = JSON.parse((await mayfly.command('oidc', 'show', '--json')).stdout) as {
    documents: Published[];
  };
  const keys = first(documents.filter(({ path }) => path === '/prod/keys')).content as JSONWebKeySet;
  const roots = certificates((await workload.x509Bundles()).bundles.get(own) ?? Buffer.alloc(0));
  return StrictSts.start({
    keys: createLocalJWKSet(keys),
    ...(tls === undefined ? {} : { tls }),
    issuer,
    audience,
    roles: [{ arn: role, subject: deploy.spiffeId }],
    trustAnchors: () => roots.map(({ raw }) => raw),
  });
}

/** `mayfly credentials serve aws`, in a process of its own: the variables that it prints once it serves. */
export function serveAws({ endpoint }: Mayfly, sts: StrictSts, wordFile: string) {
  const words = ['credentials', 'serve', 'aws', '--json', '--role-arn', role, '--token-file', wordFile];
  const env = { ...process.env, SPIFFE_ENDPOINT_SOCKET: endpoint };
  const child = spawn(launcher, [...words, '--sts-endpoint', sts.endpoint], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const variables = new Promise<Record<string, string>>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (line) =>
      resolve(JSON.parse(line) as Record<string, string>),
    );
    void exited.then((code) => reject(new Error(`it ended with ${code}`)));
  });
  const stop = (): Promise<number | null> => {
    child.kill('SIGTERM');
    return exited;
  };
  return { variables, stop };
}
