import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { type Mayfly, run } from '../integration/fixture.ts';
import { check, holds, same } from './checks.ts';
import { cli, directoryOf, id, users } from './stage.ts';
import { goProgram, installed } from './tools.ts';

/** Runs a tool in the directory with the fetched files; what it printed, or why it is not content. */
type Tool = (program: string, ...args: string[]) => Promise<string>;

const toolIn = (directory: string): Tool =>
  async function tool(program, ...args) {
    const { status, stdout, stderr } = await run(program, args, { cwd: directory, timeout: 60_000 });
    if (status !== 0)
      throw new Error(`${program} ${args.join(' ')}: ${`${stdout}${stderr}`.trim().replace(/\s*\n\s*/g, ' | ')}`);
    return stdout;
  };

export async function fetchedFiles(mayfly: Mayfly): Promise<void> {
  const directory = await directoryOf(mayfly, users.files, 'files');
  const fetch = () => cli(mayfly, users.files, 'fetch', 'x509', '--write', directory);
  await check(
    'XR-08 mayfly fetch x509 --write: svid.pem, bundle.pem, and key.pem that only its owner reads',
    async () => {
      await fetch();
      same('mode of key.pem', statSync(join(directory, 'key.pem')).mode & 0o777, 0o600);
      same('owner', statSync(join(directory, 'key.pem')).uid, users.files);
    },
  );
  const tool = toolIn(directory);
  await openssl(tool, fetch);
  await gnutls(tool, directory, fetch);
  await check('zlint: leaf and root keep RFC 5280, 5480, 5891 and 8813', async () => {
    const lines = (await tool(goProgram('lint'), 'svid.pem', 'bundle.pem')).trim().split('\n');
    holds(
      'lints ran',
      lines.every((line) => Number((JSON.parse(line) as { lints: number }).lints) > 20),
    );
  });
  await nodeLibraries(mayfly, directory, fetch);
}

async function openssl(tool: Tool, fetch: () => Promise<unknown>): Promise<void> {
  const trust = ['-x509_strict', '-no-CApath', '-no-CAstore', '-CAfile', 'bundle.pem'];

  await check('XC-38 XC-21 XR-10 openssl verify, strict, as server and as client', async () => {
    await installed('openssl', 'openssl');
    await fetch();
    for (const purpose of ['sslserver', 'sslclient'])
      await tool('openssl', 'verify', '-purpose', purpose, ...trust, 'svid.pem');
  });

  await check('ID-23 openssl verify: another authority of the same name does not count', async () => {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'other.key'];
    const issuer = (await tool('openssl', 'x509', '-in', 'bundle.pem', '-noout', '-subject', '-nameopt', 'compat'))
      .replace(/^subject=/, '')
      .trim();
    const subject = issuer.startsWith('/') ? issuer : '/CN=other';
    await tool('openssl', 'req', '-x509', ...key, '-subj', subject, '-days', '1', '-out', 'other.pem');
    const verified = await tool(
      'openssl',
      'verify',
      '-no-CApath',
      '-no-CAstore',
      '-CAfile',
      'other.pem',
      'svid.pem',
    ).catch(() => 'refused');
    same('verified by another', verified, 'refused');
  });

  await check(
    'ID-24 XC-01 XC-05 XC-07 XC-08 XC-11 XC-12 openssl x509 -text shows the profile of the leaf',
    async () => {
      const text = await tool('openssl', 'x509', '-in', 'svid.pem', '-noout', '-text');
      for (const expected of [
        /URI:spiffe:\/\/example\.org\/files\s/,
        /Basic Constraints: critical\s+CA:FALSE/,
        /Key Usage: critical\s+Digital Signature\s*\n/,
        /TLS Web Server Authentication, TLS Web Client Authentication/,
        /Version: 3/,
        /ASN1 OID: prime256v1/,
      ]) {
        holds(`${expected} in the text`, expected.test(text));
      }
      const root = await tool('openssl', 'x509', '-in', 'bundle.pem', '-noout', '-text');
      holds('the root carries the trust domain’s id', /URI:spiffe:\/\/example\.org\s/.test(root));
      holds(
        'the root signs certificates and nothing else',
        /Key Usage: critical\s+Certificate Sign(, CRL Sign)?\s*\n/.test(root),
      );
    },
  );

  await check('XR-08 XR-09 openssl pkey: the key is sound and is the certificate’s', async () => {
    await fetch();
    holds('PKCS#8', (await tool('cat', 'key.pem')).includes('-----BEGIN PRIVATE KEY-----'));
    await tool('openssl', 'pkey', '-in', 'key.pem', '-noout', '-check');
    const ofKey = await tool('openssl', 'pkey', '-in', 'key.pem', '-pubout');
    same('public keys', ofKey, await tool('openssl', 'x509', '-in', 'svid.pem', '-noout', '-pubkey'));
  });
}

async function gnutls(tool: Tool, directory: string, fetch: () => Promise<unknown>): Promise<void> {
  await check('XC-38 certtool verifies the chain, to the bundle and as one', async () => {
    await installed('certtool', 'gnutls-bin');
    await fetch();
    await tool('certtool', '--verify', '--load-ca-certificate', 'bundle.pem', '--infile', 'svid.pem');
    const chain = ['svid.pem', 'bundle.pem'].map((name) => readFileSync(join(directory, name), 'utf8'));
    writeFileSync(join(directory, 'chain.pem'), firstRootOnly(chain.join('')));
    const verdict = await tool('certtool', '--verify-chain', '--infile', 'chain.pem');
    holds('the chain is trusted', /Chain verification output: Verified/.test(verdict));
  });

  await check('XC-01 XC-07 certtool -i reads the same profile', async () => {
    const text = await tool('certtool', '-i', '--infile', 'svid.pem');
    for (const expected of [
      /URI: spiffe:\/\/example\.org\/files/,
      /Certificate Authority \(CA\): FALSE/,
      /Key Usage \(critical\):\s+Digital signature\.\s/,
    ]) {
      holds(`${expected} in the text`, expected.test(text));
    }
    await tool('certtool', '--key-info', '--infile', 'key.pem');
  });
}

/** The leaf and the root that signs it; the bundle may hold a second root that is not part of this chain. */
function firstRootOnly(pem: string): string {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g) ?? [];
  const [leaf = '', ...roots] = blocks;
  const issuer = roots.find((root) => new X509Certificate(leaf).verify(new X509Certificate(root).publicKey));
  return `${leaf}${issuer ?? ''}`;
}

async function nodeLibraries(mayfly: Mayfly, directory: string, fetch: () => Promise<unknown>): Promise<void> {
  await check('XR-03 Node’s own X509Certificate verifies the leaf by the bundle', async () => {
    await fetch();
    const leaf = new X509Certificate(readFileSync(join(directory, 'svid.pem')));
    const chain = firstRootOnly(
      readFileSync(join(directory, 'svid.pem'), 'utf8') + readFileSync(join(directory, 'bundle.pem'), 'utf8'),
    );
    holds('a root of the bundle signed it', chain.split('BEGIN CERTIFICATE').length === 3);
    same('name', leaf.subjectAltName, `URI:${id('files')}`);
    same('ca', leaf.ca, false);
  });

  await check(
    'JR-13 JT-04 JT-07 jose verifies the token of mayfly fetch jwt by mayfly bundle show --format jwks',
    async () => {
      const token = (await cli(mayfly, users.files, 'fetch', 'jwt', '--audience', 'reports')).trim();
      const shown = await mayfly.command('bundle', 'show', '--format', 'jwks');
      const keys = createLocalJWKSet(JSON.parse(shown.stdout) as Parameters<typeof createLocalJWKSet>[0]);
      const { payload, protectedHeader } = await jwtVerify(token, keys, {
        audience: 'reports',
        typ: 'JWT',
      });
      same('subject', payload.sub, id('files'));
      same('algorithm', protectedHeader.alg, 'ES256');
    },
  );
}
