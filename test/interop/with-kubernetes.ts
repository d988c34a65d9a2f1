/** kube-apiserver's own authenticators, in both forms of their configuration; Kubernetes' own client, fed in each of our ways. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launcher, run } from '../integration/fixture.ts';
import { forgeBeside } from './ceph/forge.ts';
import { check, same } from './checks.ts';
import { KubernetesJudge } from './clouds/kubernetes-judge.ts';
import { type Clouds, client, commonName, identity, said } from './clouds/stage.ts';
import { buildKubernetes, kubernetesProgram } from './tools.ts';

const audience = 'cluster.example.org';
const user = `mayfly:${identity}`;
const program = fileURLToPath(new URL('clouds/kubernetes-client.ts', import.meta.url));

export async function kubernetes(clouds: Clouds): Promise<void> {
  await check('kube-apiserver’s authenticators are built', buildKubernetes);
  await using byFile = await authenticator(clouds, 'a file', await configured(clouds));
  await using byFlags = await authenticator(clouds, 'flags', await flagged(clouds, audience));
  await using byDefault = await authenticator(
    clouds,
    'flags that name no algorithm',
    await flagged(clouds, 'kubernetes'),
  );
  if (byFile === undefined || byFlags === undefined || byDefault === undefined) return;
  await verdicts(clouds, 'a file', byFile);
  await verdicts(clouds, 'flags', byFlags);
  await check('Kubernetes, flags: RS256, which it takes unless it is told otherwise, by the preset', async () => {
    const token = (await said(clouds, 'token', '--audience', 'kubernetes')).trim();
    same('who we are', await byDefault.judge(clouds, token), { status: 201, user });
  });
  await clients(clouds, byFile);
}

async function authenticator(
  clouds: Clouds,
  form: string,
  words: readonly string[],
): Promise<KubernetesJudge | undefined> {
  let judge: KubernetesJudge | undefined;
  await check(
    `Kubernetes: the server takes ${form} that mayfly trust-policy printed, and our discovery and keys`,
    async () => {
      judge = await KubernetesJudge.start(kubernetesProgram, clouds, ...words);
    },
  );
  return judge;
}

/** The file as it is printed, as far as it is for the server. */
async function configured(clouds: Clouds): Promise<string[]> {
  const printed = await said(clouds, 'trust-policy', 'kubernetes', '--entry', identity, '--audience', audience);
  const file = join(clouds.directory, 'authentication.yaml');
  writeFileSync(file, printed.split('\n---\n')[0] ?? '');
  const root = join(clouds.directory, 'root.pem');
  writeFileSync(root, await said(clouds, 'bundle', 'show'));
  return ['-config', file, '-client-ca-file', root];
}

async function flagged(clouds: Clouds, name: string): Promise<string[]> {
  const printed = await said(
    clouds,
    'trust-policy',
    'kubernetes',
    '--entry',
    identity,
    '--audience',
    name,
    '--form',
    'flags',
  );
  const flags = [...printed.matchAll(/^#\s+(--oidc-\S+)$/gm)].map(([, flag = '']) => flag);
  return name === 'kubernetes' ? flags.filter((flag) => !flag.startsWith('--oidc-signing-algs')) : flags;
}

/** Five minutes of leeway are given to `nbf`; another subject is another user; a line feed cannot be sent. */
const notJudged: ReadonlySet<string> = new Set(['not yet valid', 'another subject', 'a line feed after it']);

async function verdicts(clouds: Clouds, form: string, judge: KubernetesJudge): Promise<void> {
  const token = (await said(clouds, 'token', '--audience', audience)).trim();
  await check(`Kubernetes, ${form}: our token is the user mayfly:… with the SPIFFE ID`, async () => {
    same('who we are', await judge.judge(clouds, token), { status: 201, user });
  });
  const forge = forgeBeside(token, clouds.mayfly.dataDirectory);
  await check(`Kubernetes, ${form}: a forged token is like ours, but for what is wrong with it`, async () => {
    same('who we are', await judge.judge(clouds, await forge.as({})), { status: 201, user });
  });
  const now = Math.floor(Date.now() / 1_000);
  const later = { what: 'not valid for ten minutes yet', token: await forge.as({ nbf: now + 600, iat: now }) };
  for (const { what, token } of [...(await forge.refused), later]) {
    if (notJudged.has(what)) continue;
    await check(`Kubernetes, ${form}: refused: ${what}`, async () => {
      same('status', (await judge.judge(clouds, token)).status, 401);
    });
  }
}

async function clients(clouds: Clouds, judge: KubernetesJudge): Promise<void> {
  const who = (file: string) => client(clouds, { KUBECONFIG: file }, program);
  for (const version of ['v1', 'v1beta1']) {
    await check(`Kubernetes, @kubernetes/client-node: exec plugin, ${version}, token`, async () => {
      const file = kubeconfig(clouds, judge, version, ['--audience', audience, '--api-version', version]);
      same('who we are', await who(file), { username: user });
    });
  }
  await check('Kubernetes, @kubernetes/client-node: exec plugin, client certificate with a common name', async () => {
    const file = kubeconfig(clouds, judge, 'certificate', ['--client-certificate']);
    same('who we are', await who(file), { username: commonName });
  });
  await check('Kubernetes, @kubernetes/client-node: in mayfly env kubernetes', async () => {
    const target = [
      '--kubernetes-server',
      judge.address,
      '--kubernetes-audience',
      audience,
      '--kubernetes-ca',
      join(clouds.tls, 'ca.crt'),
    ];
    const words = ['env', 'kubernetes', ...target, '--', process.execPath, program];
    const { status, stdout, stderr } = await run(launcher, words, { env: clouds.env, cwd: clouds.directory });
    same('how it ended', { status, stderr }, { status: 0, stderr: '' });
    same('who we are', JSON.parse(stdout), { username: user });
  });
  await check('Kubernetes, @kubernetes/client-node: exec plugin for another audience is nobody', async () => {
    const refused = await who(kubeconfig(clouds, judge, 'other', ['--audience', 'reports'])).catch(String);
    same('401', /401|Unauthorized/.test(String(refused)), true);
  });
}

function kubeconfig(clouds: Clouds, judge: KubernetesJudge, name: string, words: readonly string[]): string {
  const version = name === 'v1beta1' ? name : 'v1';
  const exec = { apiVersion: `client.authentication.k8s.io/${version}`, command: launcher, interactiveMode: 'Never' };
  const config = {
    ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'c' },
    clusters: [{ name: 'c', cluster: { server: judge.address, 'certificate-authority': join(clouds.tls, 'ca.crt') } }],
    users: [{ name: 'u', user: { exec: { ...exec, args: ['credentials', 'kubernetes', ...words] } } }],
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
  };
  const file = join(clouds.directory, `kubeconfig-${name}`);
  writeFileSync(file, JSON.stringify(config));
  return file;
}
