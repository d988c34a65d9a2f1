/** Two trust domains that federate in both profiles, and strangers on either side of every bundle and handshake. */
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Federated, startFederated } from '../integration/federated.ts';
import { run } from '../integration/fixture.ts';
import { check, holds, same } from './checks.ts';
import { any, Server } from './echo-server.ts';
import { go, py, users } from './stage.ts';
import { goProgram } from './tools.ts';

const lives = 'ca_ttl: 60s\nx509_svid_ttl: 20s\njwt_svid_ttl: 20s\n';
const endpointOf = (on: Federated): string => `spiffe://${on.mayfly.trustDomain}/mayfly/bundle-endpoint`;

export async function federated(): Promise<void> {
  const [ours, theirs] = await Promise.all([
    startFederated('example.org', lives),
    startFederated('partner.example', lives),
  ]);
  await using _ours = ours.mayfly;
  await using _theirs = theirs.mayfly;
  await check('an operator of each side federates with the other, one in each profile', () => federate(ours, theirs));
  await bundlesOut(theirs);
  await bundlesIn(ours);
  await across(ours, theirs);
}

async function command(on: Federated, ...words: string[]): Promise<string> {
  const { status, stdout, stderr } = await on.mayfly.command(...words);
  if (status !== 0 || stderr !== '') throw new Error(`mayfly ${words.join(' ')}: ${stderr.trim()}`);
  return stdout;
}

/** A file that every user can read. */
function shared(on: Federated, name: string, text: string): string {
  const path = join(on.mayfly.directory, name);
  writeFileSync(path, text);
  chmodSync(path, 0o644);
  return path;
}

const bundleFile = async (on: Federated, of: Federated): Promise<string> =>
  shared(on, `${of.mayfly.trustDomain}.json`, await command(of, 'bundle', 'show', '--format', 'spiffe'));

async function federate(ours: Federated, theirs: Federated): Promise<void> {
  const bootstrap = ['--endpoint-spiffe-id', endpointOf(theirs), '--bundle-file', await bundleFile(ours, theirs)];
  const spiffe = ['--url', theirs.spiffe, '--profile', 'https_spiffe', ...bootstrap, '--private-addresses'];
  await command(ours, 'federation', 'create', theirs.mayfly.trustDomain, ...spiffe);
  const web = ['--url', ours.web, '--profile', 'https_web', '--roots', theirs.roots, '--private-addresses'];
  await command(theirs, 'federation', 'create', ours.mayfly.trustDomain, ...web);
  await register(ours, 'go-client', users.goClient, theirs);
  await register(ours, 'python', users.python, theirs);
  await register(theirs, 'go-server', users.goServer, ours);
}

async function register(on: Federated, name: string, uid: number, peer: Federated): Promise<void> {
  const id = `spiffe://${on.mayfly.trustDomain}/${name}`;
  const who = ['--selector', `unix:uid:${uid}`, '--owner', 'ada', '--audience', peer.mayfly.trustDomain];
  await command(on, 'entry', 'create', '--spiffe-id', id, ...who, '--federates-with', peer.mayfly.trustDomain);
}

/** What we publish, by the parsers and the clients of others. */
async function bundlesOut(on: Federated): Promise<void> {
  const { mayfly } = on;
  const roots = shared(on, 'web-roots.pem', readFileSync(on.roots, 'utf8'));
  const expected = { trustDomain: mayfly.trustDomain, keys: 1 };

  await check('FD-01 FD-21 BF-01 BF-08 go-spiffe fetches our bundle in both profiles', async () => {
    const [web] = await go(mayfly, users.goClient, 'fetch-bundle', mayfly.trustDomain, on.web, 'web', roots);
    const by = ['spiffe', endpointOf(on), await bundleFile(on, on)];
    const [spiffe] = await go(mayfly, users.goClient, 'fetch-bundle', mayfly.trustDomain, on.spiffe, ...by);
    for (const found of [web, spiffe]) {
      same('trust domain', found?.['trustDomain'], expected.trustDomain);
      holds('authorities', Number(found?.['roots']) >= 1 && Number(found?.['keys']) >= 1);
      holds('a hint of some seconds', Number(found?.['hintSeconds']) >= 1);
    }
  });

  await check('FD-21 go-spiffe refuses our endpoint under another SPIFFE ID', async () => {
    const by = ['spiffe', `${endpointOf(on)}/other`, await bundleFile(on, on)];
    const refused = await go(mayfly, users.goClient, 'fetch-bundle', mayfly.trustDomain, on.spiffe, ...by).catch(
      String,
    );
    holds(`refused: ${JSON.stringify(refused)}`, String(refused).includes('unexpected ID'));
  });

  await check('BF-05 BF-09 go-spiffe parses the file that `bundle show --format spiffe` writes', async () => {
    const [found] = await go(mayfly, users.goClient, 'parse-bundle', mayfly.trustDomain, await bundleFile(on, on));
    holds('authorities', Number(found?.['roots']) >= 1 && Number(found?.['keys']) >= 1);
  });

  await check(
    'openssl reads the revocation lists that are served beside our bundle, signed by an authority in it',
    async () => {
      const fetched = await run('curl', [
        '--silent',
        '--show-error',
        '--fail',
        '--cacert',
        roots,
        `${on.web}/crls.pem`,
      ]);
      same('curl', fetched.stderr, '');
      const [lists, authorities] = [
        shared(on, 'crls.pem', fetched.stdout),
        shared(on, 'ca.pem', await command(on, 'bundle', 'show')),
      ];
      const { stderr } = await run('openssl', ['crl', '-in', lists, '-noout', '-CAfile', authorities]);
      holds(`verify OK: ${stderr}`, stderr.includes('verify OK'));
    },
  );

  await check('py-spiffe parses our authorities in PEM and our token keys as a JWK set', async () => {
    const pem = shared(on, 'bundle.pem', await command(on, 'bundle', 'show'));
    const jwks = shared(on, 'jwks.json', await command(on, 'bundle', 'show', '--format', 'jwks'));
    const [found] = await py(mayfly, users.python, 'bundle-files', mayfly.trustDomain, pem, jwks);
    holds(`authorities: ${JSON.stringify(found)}`, Number(found?.['roots']) >= 1 && Number(found?.['keys']) >= 1);
  });
}

/** What others publish, by us. */
async function bundlesIn(on: Federated): Promise<void> {
  const served = JSON.stringify({
    ...JSON.parse(await command(on, 'bundle', 'show', '--format', 'spiffe')),
    spiffe_sequence: 7,
  });

  await check('FD-02 we fetch a bundle from the endpoint of go-spiffe, https_spiffe', async () => {
    // Shown by a workload of our own: the endpoint of one trust domain may be that of another (FD-26).
    const document = shared(on, 'served.json', served);
    const args = ['serve-bundle', 'third.example', document, 'svid'];
    using server = new Server(on.mayfly, goProgram('spiffe'), args, users.goClient);
    const url = ['--url', `https://${await server.listening}/`, '--private-addresses'];
    const who = ['--profile', 'https_spiffe', '--endpoint-spiffe-id', 'spiffe://example.org/go-client'];
    const created = await command(on, 'federation', 'create', 'third.example', ...url, ...who, '--json');
    same('sequence', JSON.parse(created).sequence, '7');
    await command(on, 'federation', 'delete', 'third.example');
  });
}

/** Mutual TLS and tokens from one trust domain to the other. */
async function across(ours: Federated, theirs: Federated): Promise<void> {
  await check(
    'FD-34 XR-11 go-spiffe to go-spiffe across two trust domains, through rotations: no handshake fails',
    async () => {
      const args = ['echo-server', any, ours.mayfly.trustDomain];
      using server = new Server(theirs.mayfly, goProgram('spiffe'), args, users.goServer);
      const to = [await server.listening, theirs.mayfly.trustDomain, '60'];
      const [seen] = await go(ours.mayfly, users.goClient, 'echo-client', ...to);
      same(
        'peer',
        [seen?.['peer'], seen?.['seenAs']],
        ['spiffe://partner.example/go-server', 'spiffe://example.org/go-client'],
      );
      holds(
        `handshakes and rotations: ${JSON.stringify(seen)}`,
        Number(seen?.['handshakes']) >= 100 && Number(seen?.['issuers']) > 1,
      );
    },
  );

  await check('FD-34 go-spiffe and py-spiffe read the bundles of both trust domains', async () => {
    const both = [ours.mayfly.trustDomain, theirs.mayfly.trustDomain];
    for (const bundles of [
      await go(ours.mayfly, users.goClient, 'x509-bundles'),
      await go(ours.mayfly, users.goClient, 'jwt-bundles'),
      await py(ours.mayfly, users.python, 'x509-bundles'),
    ]) {
      same('trust domains', bundles.map((bundle) => bundle['trustDomain']).toSorted(), both);
    }
  });

  await check('JR-27 go-spiffe has our side validate a token of the other', async () => {
    const [token] = await go(theirs.mayfly, users.goServer, 'jwt-svids', ours.mayfly.trustDomain);
    const args = ['jwt-validate', String(token?.['token']), ours.mayfly.trustDomain];
    const [validated] = await go(ours.mayfly, users.goClient, ...args);
    same('id', validated?.['id'], 'spiffe://partner.example/go-server');
  });
}
