/** An issuer that was a root goes below another authority, under a running workload; openssl judges every chain. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { certificates } from './documents.ts';
import { first, type Mayfly, newDirectory, startMayfly } from './fixture.ts';
import { startWorkload } from './workload.ts';

const directory = newDirectory();
const file = (name: string): string => join(directory, name);
const openssl = (...args: readonly string[]): string =>
  execFileSync('openssl', args, { cwd: directory, stdio: 'pipe', encoding: 'utf8' });
let mayfly: Mayfly;

beforeAll(async () => {
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...curve,
    '-addext',
    'keyUsage=critical,keyCertSign,cRLSign',
    '-days',
    '30',
    '-subj',
    '/O=Acme/CN=root',
    '-keyout',
    'root.key',
    '-out',
    'root.pem',
  );
  openssl('req', ...curve, '-subj', '/O=Acme/CN=workloads', '-keyout', 'ca.key', '-out', 'ca.csr');
  writeFileSync(
    file('ext'),
    'basicConstraints=critical,CA:true,pathlen:1\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n',
  );
  const signed = openssl(
    'x509',
    '-req',
    '-in',
    'ca.csr',
    '-CA',
    'root.pem',
    '-CAkey',
    'root.key',
    '-days',
    '20',
    '-extfile',
    'ext',
  );
  writeFileSync(file('chain.pem'), signed + openssl('x509', '-in', 'root.pem'));
  mayfly = await startMayfly({ directory });
  await mayfly.operator.addPerson('ada');
  await mayfly.operator.create({ spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:10001'], audiences: [] });
});
afterAll(() => mayfly?.[Symbol.asyncDispose]());

/** How many certificates a newcomer's SVID comes with, and how many roots; openssl has verified it by these. */
async function judged(): Promise<{ readonly chain: number; readonly roots: number }> {
  await using workload = await startWorkload(mayfly.endpoint, 10001);
  const { x509Svid, bundle } = first((await workload.x509()).svids);
  const [leaf, ...above] = certificates(x509Svid).map((one) => one.toString());
  const roots = certificates(bundle).map((one) => one.toString());
  writeFileSync(file('leaf.pem'), leaf ?? '');
  writeFileSync(file('above.pem'), above.join(''));
  writeFileSync(file('roots.pem'), roots.join(''));
  const untrusted = above.length === 0 ? [] : ['-untrusted', 'above.pem'];
  expect(openssl('verify', '-x509_strict', '-CAfile', 'roots.pem', ...untrusted, 'leaf.pem')).toContain('OK');
  return { chain: 1 + above.length, roots: roots.length };
}

it('XR-11 signs as a root, then below another, and publishes both roots as long as both are needed', async () => {
  expect(await judged()).toEqual({ chain: 1, roots: 1 });
  mayfly.operator[Symbol.dispose]();
  await mayfly.stop();
  const settings = `upstream: { kind: disk, certificate_file: ${file('chain.pem')}, key_file: ${file('ca.key')} }\n`;
  writeFileSync(file('mayfly.yaml'), settings);
  mayfly = await startMayfly({ directory, flags: ['--config', file('mayfly.yaml')] });
  expect(await judged()).toEqual({ chain: 1, roots: 1 });
  const { status, stderr } = await mayfly.command('authority', 'rotate', 'x509', '--force-unpublished');
  expect(status, stderr).toBe(0);
  expect(await judged()).toEqual({ chain: 3, roots: 2 });
});

it('XC-35 its revocation list is signed by the intermediate, and openssl refuses by it what was taken back', async () => {
  await using workload = await startWorkload(mayfly.endpoint, 10001);
  const [leaf, ...above] = certificates(first((await workload.x509()).svids).x509Svid);
  writeFileSync(file('revoked.pem'), leaf?.toString() ?? '');
  writeFileSync(file('above.pem'), above.join(''));
  const serial = leaf?.serialNumber.toLowerCase() ?? '';
  const { status, stderr } = await mayfly.command('credential', 'revoke', '--serial', serial);
  expect(status, stderr).toBe(0);
  const { crl } = await workload.x509();
  const lists = crl.map((der) => execFileSync('openssl', ['crl', '-inform', 'DER'], { input: der }).toString());
  writeFileSync(file('lists.pem'), lists.join(''));
  const trust = ['-crl_check', '-CRLfile', 'lists.pem', '-CAfile', 'root.pem', '-untrusted', 'above.pem'];
  expect(() => openssl('verify', ...trust, 'revoked.pem')).toThrow('certificate revoked');
  expect(await judged()).toEqual({ chain: 3, roots: 2 });
  expect(openssl('verify', ...trust, 'leaf.pem')).toContain('OK');
});
