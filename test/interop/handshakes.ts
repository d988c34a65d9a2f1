/** Two processes of different making, each with its SVID from the Workload API, shake hands while certificates rotate. */
import { type ChildProcess, spawn } from 'node:child_process';
import net from 'node:net';
import tls from 'node:tls';
import { type Mayfly, run } from '../integration/fixture.ts';
import { check, holds, same } from './checks.ts';
import { any, Server } from './echo-server.ts';
import { caTtlSeconds, cli, directoryOf, environmentOf, go, id, type Line, node, trustDomain, users } from './stage.ts';
import { goProgram, sdkEcho } from './tools.ts';

/** Every pair of Go and Node, side by side, for longer than an authority lives. */
export async function handshakes(mayfly: Mayfly): Promise<void> {
  const seconds = String(caTtlSeconds + 10);
  using goServer = new Server(mayfly, goProgram('spiffe'), ['echo-server', any, trustDomain], users.goServer);
  const asNodeServer = [sdkEcho, `${users.nodeServer}`, 'server', any, trustDomain];
  using nodeServer = new Server(mayfly, process.execPath, asNodeServer);
  const pairs = [
    ['go-spiffe to go-spiffe', 'go-server', 'go-client', (s: string) => goTo(goServer, s)],
    ['our SDK to go-spiffe', 'go-server', 'node-client', (s: string) => nodeTo(goServer, s)],
    ['go-spiffe to our SDK', 'node-server', 'go-client', (s: string) => goTo(nodeServer, s)],
    ['our SDK to our SDK', 'node-server', 'node-client', (s: string) => nodeTo(nodeServer, s)],
  ] as const;
  const goTo = async (server: Server, s: string) =>
    go(mayfly, users.goClient, 'echo-client', await server.listening, trustDomain, s);
  const nodeTo = async (server: Server, s: string) =>
    node(mayfly, users.nodeClient, 'client', await server.listening, trustDomain, s);

  await Promise.all(
    pairs.map(([title, server, client, shake]) =>
      check(`XR-11 XR-19 ${title}: mutual TLS through every rotation, no handshake fails`, async () => {
        const [seen] = await shake(seconds);
        same('peer', [seen?.['peer'], seen?.['seenAs']], [id(server), id(client)]);
        holds(`at least 100 handshakes: ${JSON.stringify(seen)}`, Number(seen?.['handshakes']) >= 100);
        holds(
          `both sides were renewed: ${JSON.stringify(seen)}`,
          Number(seen?.['ownCertificates']) > 2 && Number(seen?.['peerCertificates']) > 2,
        );
        holds(`the authority was rotated: ${JSON.stringify(seen)}`, Number(seen?.['issuers']) > 1);
      }),
    ),
  );
  await check('a peer without a certificate is refused by both servers', async () => {
    for (const server of [goServer, nodeServer])
      same('answer', await withoutCertificate(await server.listening), 'refused');
  });
}

async function withoutCertificate(address: string): Promise<string> {
  const [host = '', port = ''] = address.split(':');
  return new Promise((resolve) => {
    const socket = tls.connect({ host, port: Number(port), rejectUnauthorized: false }, () => socket.write('hello\n'));
    socket.on('data', () => resolve('answered'));
    socket.on('error', () => resolve('refused'));
    socket.on('close', () => resolve('refused'));
    setTimeout(() => socket.destroy(), 5_000).unref();
  });
}

/** A Workload API that is not ours: gRPC for Go and an authority in Go. */
export async function otherServer(mayfly: Mayfly): Promise<void> {
  await check('EP-04 our SDK gets its identity from a Workload API written in Go', async () => {
    const directory = await directoryOf(mayfly, users.goServer, 'go-api');
    const socket = `${directory}/api.sock`;
    const server = spawn(goProgram('server'), [socket, id('from-go')], {
      uid: users.goServer,
      gid: users.goServer,
      stdio: 'ignore',
    });
    try {
      await appears(socket);
      const args = [sdkEcho, `${users.nodeClient}`, 'fetch', 'reports'];
      const env = environmentOf(`unix://${socket}`);
      const { status, stdout, stderr } = await run(process.execPath, args, { env, cwd: '/' });
      same('exit', [status, stderr], [0, '']);
      const facts = JSON.parse(stdout) as Line;
      same('identities', [facts['id'], facts['verified'], facts['tokenOf']], Array(3).fill(id('from-go')));
    } finally {
      server.kill('SIGKILL');
    }
  });
}

async function appears(path: string): Promise<void> {
  for (
    const late = performance.now() + 30_000;
    performance.now() < late;
    await new Promise((resolve) => setTimeout(resolve, 50))
  ) {
    const there = await new Promise<boolean>((resolve) => {
      const probe = net.connect(path, () => resolve(true)).on('error', () => resolve(false));
      probe.once('connect', () => probe.destroy());
    });
    if (there) return;
  }
  throw new Error(`nothing listens on ${path}`);
}

/** openssl at both ends, with the files that `mayfly fetch x509 --write` made. */
export async function opensslHandshake(mayfly: Mayfly): Promise<void> {
  await check('XC-38 XC-37 openssl s_server and s_client shake hands with fetched files, TLS 1.2 and 1.3', async () => {
    const directory = await directoryOf(mayfly, users.files, 'handshake');
    await cli(mayfly, users.files, 'fetch', 'x509', '--write', directory);
    for (const version of ['-tls1_2', '-tls1_3']) await shakeWithOpenssl(directory, version);
  });
}

async function shakeWithOpenssl(directory: string, version: string): Promise<void> {
  const files = ['-cert', 'svid.pem', '-key', 'key.pem', '-CAfile', 'bundle.pem', '-verify_return_error', version];
  const once = ['-accept', any, '-Verify', '1', '-naccept', '1', '-rev'];
  const server = spawn('openssl', ['s_server', ...once, ...files], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    const [, address = ''] = await heard(server, /^ACCEPT (\S+)$/m);
    const strict = ['-connect', address, '-x509_strict', '-quiet', '-no_ign_eof'];
    const client = spawn('openssl', ['s_client', ...strict, ...files], { cwd: directory, stdio: 'pipe' });
    client.stdin.write('hello\n');
    await heard(client, /olleh/).finally(() => client.kill('SIGKILL'));
  } finally {
    server.kill('SIGKILL');
  }
}

/** Waits until a program says that; else tells what it said instead. */
function heard(program: ChildProcess, what: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let said = '';
    const give = (why: string): void => reject(new Error(`openssl ${why}: ${said.replace(/\s+/g, ' ')}`));
    const late = setTimeout(() => give(`did not say ${what} within 5 s`), 5_000);
    const hear = (text: Buffer): void => {
      said += text.toString();
      const found = what.exec(said);
      if (found !== null) resolve(found);
    };
    program.stdout?.on('data', hear);
    program.stderr?.on('data', hear);
    program.once('close', () => give('ended'));
    program.once('close', () => clearTimeout(late));
  });
}
