/**
 * `make demo`: mayfly from nothing to a verified identity, told as it happens. Everything is real: the processes, the
 * socket, the files, and the judges, which are openssl and a JWT library that know nothing of mayfly.
 */
import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';

const root = resolve(import.meta.dirname, '../..');
const home = mkdtempSync(join(process.geteuid?.() === 0 ? '/run' : tmpdir(), 'mayfly-demo-'));
chmodSync(home, 0o755);
const socket = join(home, 'public', 'api.sock');
const environment = {
  ...process.env,
  MAYFLY_ADMIN_SOCKET: join(home, 'admin', 'admin.sock'),
  SPIFFE_ENDPOINT_SOCKET: `unix://${socket}`,
};
const started = performance.now();
/** Root can show two users; anybody else shows one, before and after registration. */
const isRoot = process.geteuid?.() === 0;
const workloadUid = isRoot ? 10_001 : (process.geteuid?.() ?? 0);
const strangerUid = 10_002;

interface Told {
  readonly id: string;
  readonly certificates: string;
  readonly bundle: string;
  readonly token: string;
}
interface Refused {
  readonly refused: string;
}

const say = (text = ''): void => void process.stdout.write(`${text}\n`);
let step = 0;
const chapter = (text: string): void => say(`\n${++step}. ${text}`);
const show = (command: string): void => say(`   $ ${command}`);
const indent = (text: string): string => text.trimEnd().replaceAll(/^/gm, '     ');

const mayfly = (...words: string[]): string =>
  execFileSync(join(root, 'mayfly'), words, { env: environment, encoding: 'utf8' });

function run(...words: string[]): string {
  show(`mayfly ${words.map((word) => (/[^\w./:=-]/.test(word) ? `'${word}'` : word)).join(' ')}`);
  const output = mayfly(...words);
  say(indent(output));
  return output;
}

const workload = (uid: number): Promise<Told | Refused> =>
  new Promise((tell, fail) => {
    const child = fork(join(import.meta.dirname, 'workload.ts'), [String(uid), 'reports'], {
      env: environment,
      stdio: 'inherit',
    });
    child.once('message', (message) => tell(message as Told | Refused));
    child.once('exit', (code) => fail(new Error(`the workload ended with ${code} and said nothing`)));
  });

async function startIssuer(): Promise<ChildProcess> {
  const words = ['up', '--trust-domain', 'example.org', '--data-dir', join(home, 'data'), '--socket', socket];
  show(`mayfly ${words.join(' ')}`);
  const child = spawn(join(root, 'mayfly'), words, { env: environment, stdio: ['ignore', 'pipe', 'ignore'] });
  const lines = await new Promise<string>((ready, fail) => {
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
      if (text.includes('fetch x509')) ready(text);
    });
    child.once('exit', (code) => fail(new Error(`mayfly ended with ${code} before it was ready`)));
  });
  say(indent(lines));
  return child;
}

function judge(name: string, command: string, words: string[], input?: string): void {
  show([command, ...words].join(' '));
  say(indent(execFileSync(command, words, { cwd: home, encoding: 'utf8', ...(input === undefined ? {} : { input }) })));
  say(`   ${name}`);
}

async function story(): Promise<void> {
  say('mayfly gives a process a short-lived identity because of what it verifiably is. Watch:');

  chapter('The issuer starts, in an empty directory. No configuration, no secret.');
  const issuer = await startIssuer();
  try {
    if (!isRoot) await meetStranger(workloadUid);

    chapter('Somebody is made answerable, and says which process is owed which identity.');
    run('person', 'add', 'ada', '--name', 'Ada Byron');
    run(
      'entry',
      'create',
      '--spiffe-id',
      'spiffe://example.org/web',
      '--selector',
      `unix:uid:${workloadUid}`,
      '--owner',
      'ada',
      '--audience',
      'reports',
    );

    chapter(
      `A workload, another process of uid ${workloadUid}, connects to the socket. It presents nothing: the kernel says who it is.`,
    );
    const told = await workload(workloadUid);
    if ('refused' in told) throw new Error(`the workload was refused: ${told.refused}`);
    say(`   It is ${told.id} now, with a key of its own, and has a token for "reports".`);

    chapter('Do others believe that? openssl looks at the certificate, in both roles of TLS.');
    writeFileSync(join(home, 'svid.pem'), told.certificates);
    writeFileSync(join(home, 'bundle.pem'), told.bundle);
    judge('A server may use it, and a client too.', 'openssl', [
      'verify',
      '-x509_strict',
      '-purpose',
      'sslserver',
      '-CAfile',
      'bundle.pem',
      'svid.pem',
    ]);
    execFileSync('openssl', ['verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', 'bundle.pem', 'svid.pem'], {
      cwd: home,
    });

    chapter(
      'And the token? `jose`, a JWT library that has never heard of SPIFFE, checks it against the published keys.',
    );
    const keys = JSON.parse(mayfly('bundle', 'show', '--format', 'jwks')) as JSONWebKeySet;
    const { payload } = await jwtVerify(told.token, createLocalJWKSet(keys), { audience: 'reports' });
    say(indent(JSON.stringify(payload)));

    if (isRoot) await meetStranger(strangerUid);

    chapter('Everything that was granted is on record, each record chained to the one before.');
    run('ledger', 'list', '--limit', '6');
    run('ledger', 'verify');
  } finally {
    issuer.kill('SIGTERM');
    await new Promise((resolve) => issuer.once('exit', resolve));
  }
  say(`\nThat was all of it, in ${((performance.now() - started) / 1000).toFixed(1)} s. README.md goes on from here.`);
}

async function meetStranger(uid: number): Promise<void> {
  chapter(`A process nobody registered, of uid ${uid}, asks too.`);
  const told = await workload(uid);
  if (!('refused' in told)) throw new Error('a stranger was given an identity');
  say(`   It is told: ${told.refused}. (An operator would ask \`mayfly explain --pid\` why.)`);
}

try {
  await story();
} finally {
  rmSync(home, { recursive: true, force: true });
}
