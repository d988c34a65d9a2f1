/** Intermediates: what openssl makes of the chains, and what an upstream cannot make us believe. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { durable, entry, machine, optionsOf, publicKey, refusal, states } from '../../test/fakes/authority.ts';
import { FakeClock } from '../../test/fakes/clock.ts';
import { eventually } from '../../test/fakes/eventually.ts';
import { localTls } from '../../test/fakes/local-tls.ts';
import { FakeVaultPki } from '../../test/fakes/vault-pki.ts';
import { verifyX509Svid } from '../spiffe/x509-svid.ts';
import { parseCertificate, splitCertificates } from '../x509/certificate.ts';
import { decodePem, encodePem } from '../x509/pem.ts';
import { type Authority, type AuthorityOptions, openAuthority, type UpstreamSettings } from './authority.ts';
import { libraries } from './second-opinion.ts';

const directory = mkdtempSync(join(tmpdir(), 'mayfly-upstream-'));
const file = (name: string): string => join(directory, name);
const openssl = (...args: readonly string[]): string =>
  execFileSync('openssl', args, { stdio: 'pipe', encoding: 'utf8' });
const tls = localTls();
let pki: FakeVaultPki;

/** A root, and an intermediate below it that may have authorities below itself. */
function makeAuthorities(): void {
  const own = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-nodes', '-days', '30'];
  const ca = ['-addext', 'keyUsage=critical,keyCertSign,cRLSign', '-addext'];
  openssl(
    'req',
    '-x509',
    ...own,
    '-subj',
    '/O=Acme/CN=root',
    ...ca,
    'basicConstraints=critical,CA:true',
    '-keyout',
    file('root.key'),
    '-out',
    file('root.pem'),
  );
  for (const [name, length] of [
    ['middle', 1],
    ['narrow', 0],
  ] as const) {
    openssl(
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-subj',
      `/O=Acme/CN=${name}`,
      '-keyout',
      file(`${name}.key`),
      '-out',
      file(`${name}.csr`),
    );
    writeFileSync(
      file('ext'),
      `basicConstraints=critical,CA:true,pathlen:${length}\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n`,
    );
    openssl(
      'x509',
      '-req',
      '-in',
      file(`${name}.csr`),
      '-CA',
      file('root.pem'),
      '-CAkey',
      file('root.key'),
      '-days',
      '20',
      '-extfile',
      file('ext'),
      '-out',
      file(`${name}.pem`),
    );
  }
  writeFileSync(
    file('chain.pem'),
    openssl('x509', '-in', file('middle.pem')) + openssl('x509', '-in', file('root.pem')),
  );
}

beforeAll(async () => {
  makeAuthorities();
  writeFileSync(file('token'), 'hvs.testing\n', { mode: 0o600 });
  pki = await FakeVaultPki.start(tls, {
    caFile: file('middle.pem'),
    keyFile: file('middle.key'),
    rootFile: file('root.pem'),
  });
});
afterAll(async () => {
  await pki[Symbol.asyncDispose]();
  tls[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

const fromDisk = (certificateFile = 'chain.pem', keyFile = 'middle.key', rootsFile?: string): UpstreamSettings => ({
  kind: 'disk',
  certificateFile: file(certificateFile),
  keyFile: file(keyFile),
  rootsFile: rootsFile && file(rootsFile),
});
const fromVault = (): UpstreamSettings => ({
  ...{ kind: 'vault-pki', address: pki.server.address, mount: 'pki', caFile: tls.caFile, timeoutMs: 20_000 },
  auth: { tokenFile: file('token') },
});
const start = (
  upstream: UpstreamSettings,
  options: Partial<AuthorityOptions> = {},
  on = machine(new FakeClock(Date.now())),
) => openAuthority(optionsOf(on, { upstream, caTtlSeconds: 3600, secondOpinion: libraries, ...options }));

describe.each([
  ['a root on the disk', () => fromDisk('root.pem', 'root.key'), 2],
  ['an intermediate on the disk', () => fromDisk(), 3],
  ['an intermediate on the disk, its root in another file', () => fromDisk('middle.pem', 'middle.key', 'root.pem'), 3],
  ['Vault PKI', fromVault, 3],
] as const)('below %s', (_, upstream, length) => {
  it('XC-35 SVIDs carry the chain, the bundle the root; openssl verifies them by it, strictly', async () => {
    const authority = await start(upstream());
    const { chain, notAfter } = await authority.issueX509Svid(entry, publicKey);
    const certificates = splitCertificates(chain);
    const { x509Authorities } = authority.bundle.value;
    await authority.close();
    expect([certificates.length, x509Authorities.length]).toEqual([length, 1]);
    const [root] = decodePem('CERTIFICATE', openssl('x509', '-in', file('root.pem')));
    expect(x509Authorities[0]).toEqual(root);
    expect(verifyX509Svid(certificates, () => x509Authorities, Date.now())).toBe(entry.spiffeId);
    for (const one of certificates) expect(parseCertificate(one).notAfter).toBeGreaterThanOrEqual(notAfter);
    writeFileSync(file('leaf.pem'), encodePem('CERTIFICATE', certificates[0] ?? chain));
    writeFileSync(
      file('above.pem'),
      certificates
        .slice(1)
        .map((der) => encodePem('CERTIFICATE', der))
        .join(''),
    );
    writeFileSync(file('bundle.pem'), x509Authorities.map((der) => encodePem('CERTIFICATE', der)).join(''));
    const trust = ['-x509_strict', '-CAfile', file('bundle.pem'), '-untrusted', file('above.pem')];
    expect(openssl('verify', ...trust, file('leaf.pem'))).toContain('OK');
  });
});

describe('an authority below another', () => {
  it('XR-11 rotates, and everything verifies by one root throughout; it is in the journal after a restart', async () => {
    const on = machine(new FakeClock(Date.now()));
    const authority = await start(fromDisk(), { caTtlSeconds: 60 }, on);
    const signers = new Set<string>();
    for (let second = 0; second < 120; second++) {
      const { chain, authorityId } = await authority.issueX509Svid(entry, publicKey);
      signers.add(authorityId);
      verifyX509Svid(splitCertificates(chain), () => authority.bundle.value.x509Authorities, on.clock.now());
      await on.clock.advance(1000);
      // Its certificate and key are read from the disk anew each time, for which no fake clock waits.
      await eventually('the next authority signs in time', () => leftMs(authority, on.clock) > 5_000);
    }
    expect(signers.size).toBeGreaterThan(2);
    expect(authority.bundle.value.x509Authorities).toHaveLength(1);
    const held = await authority.issueJwtSvid(entry, ['aws']);
    await authority.close();
    const again = await start(fromDisk(), { caTtlSeconds: 60 }, on);
    const { chain } = await again.issueX509Svid(entry, publicKey);
    expect(splitCertificates(chain)).toHaveLength(3);
    const sent = splitCertificates(chain);
    verifyX509Svid(sent, () => again.bundle.value.x509Authorities, on.clock.now());
    expect(held.token.length).toBeGreaterThan(0);
    await again.close();
  });

  it('moves under a root of its own and back by rotation: both roots are published as long as they are needed', async () => {
    const on = machine(new FakeClock(Date.now()));
    await (await start({ kind: 'self-signed' }, {}, on)).close();
    const authority = await start(fromDisk(), {}, on);
    const before = authority.bundle.value.x509Authorities.length;
    await authority.take({ do: 'prepare', kind: 'x509', id: undefined }, { actorUid: 0, actorPid: 1 });
    expect([before, authority.bundle.value.x509Authorities.length]).toEqual([1, 2]);
    await authority.close();
  });

  it('ends when the first of those above it ends', async () => {
    const on = machine(new FakeClock(Date.now()));
    const authority = await start(fromDisk(), { caTtlSeconds: 60 * 86_400 }, on);
    const summary = authority.authorities().find(({ kind }) => kind === 'x509');
    const middle = parseCertificate(
      decodePem('CERTIFICATE', openssl('x509', '-in', file('middle.pem')))[0] ?? Buffer.alloc(0),
    );
    expect(summary?.expiresAt).toBe(middle.notAfter);
    await authority.close();
  });

  it('R-KEY-2 is told when nothing above lasts longer than it does, and makes one key while it waits', async () => {
    const on = machine(new FakeClock(Date.now()));
    const authority = await start(fromDisk(), { caTtlSeconds: 30 * 86_400 }, on);
    await on.clock.advance(11 * 86_400_000);
    expect(authority.problem).toMatch(/vouches for nothing that ends later/);
    expect(states(authority, 'x509')).toEqual(['active']);
    const keys = (await on.keys.names()).filter((name) => name.startsWith('x509'));
    expect([durable(on).planned.length, keys.length]).toEqual([1, 2]);
    await authority.issueX509Svid(entry, publicKey);
    await authority.close();
  });

  it.each([
    ['no room below it', () => fromDisk('narrow.pem', 'narrow.key', 'root.pem'), /path length/],
    ['the key of another', () => fromDisk('chain.pem', 'root.key'), /not the one of the first certificate/],
    ['no root', () => fromDisk('middle.pem', 'middle.key'), /upstream.roots_file/],
    ['another root', () => fromDisk('middle.pem', 'middle.key', '../ca.pem'), /cannot read/],
  ])('refuses to start with %s, and says why', async (_, upstream, message) => {
    expect((await refusal(start(upstream()))).message).toMatch(message);
  });
});

describe('row 14 an upstream', () => {
  it.each(['away', 'garbage', 'redirect'] as const)(
    'that is %s: the present key signs to its end, told from half of its life, and one key is made',
    async (trouble) => {
      const on = machine(new FakeClock(Date.now()));
      pki.now = () => on.clock.now();
      const authority = await start(fromVault(), { caTtlSeconds: 600 }, on);
      pki.server.trouble = trouble;
      for (let minute = 0; minute < 9; minute++) {
        const { chain } = await authority.issueX509Svid(entry, publicKey);
        verifyX509Svid(splitCertificates(chain), () => authority.bundle.value.x509Authorities, on.clock.now());
        expect(authority.problem === undefined).toBe(minute < 5);
        await on.clock.advance(60_000);
        await settled();
      }
      expect(durable(on).planned.filter(({ kind }) => kind === 'x509')).toHaveLength(1);
      const keys = (await on.keys.names()).filter((name) => name.startsWith('x509'));
      expect(keys.length).toBeLessThanOrEqual(2);
      pki.server.trouble = undefined;
      await expect
        .poll(
          async () => {
            await on.clock.advance(1000);
            return states(authority, 'x509').length;
          },
          { timeout: 20_000 },
        )
        .toBeGreaterThan(1);
      await authority.close();
    },
  );

  it.each([
    ['another key', { key: 'other' }, /for another key/],
    ['another trust domain', { uris: ['spiffe://evil.example'] }, /not for spiffe:\/\/example.org/],
    ['two names', { uris: ['spiffe://example.org', 'spiffe://evil.example'] }, /not for spiffe:\/\/example.org/],
    ['no authority', { ca: false }, /may not sign others/],
    ['no right to sign', { usage: 1 }, /may not sign others/],
    ['a short life', { seconds: 300 }, /ends too soon/],
    ['a root that did not sign it', { root: 'other' }, /no root that it names leads/],
  ] as const)('that lies with %s is not believed, and nothing is published', async (_, lie, message) => {
    const on = machine(new FakeClock(Date.now()));
    pki.now = () => on.clock.now();
    pki.lie = lie;
    const { code, message: said } = await refusal(start(fromVault(), {}, on)).finally(() => {
      pki.lie = {};
    });
    expect([code, said]).toEqual(['unavailable', expect.stringMatching(message)]);
    expect(durable(on).authorities.filter(({ kind }) => kind === 'x509')).toEqual([]);
    const authority = await start(fromVault(), {}, on);
    const jwt = await authority.issueJwtSvid(entry, ['aws']);
    const x509 = await authority.issueX509Svid(entry, publicKey);
    expect([jwt.authorityId === '', splitCertificates(x509.chain).length]).toEqual([false, 3]);
    expect((await on.keys.names()).length).toBe(2);
    await authority.close();
  });
});

/** Lets requests that the fake clock has started end by themselves. */
const leftMs = (authority: Authority, clock: FakeClock): number =>
  Math.max(
    ...authority.authorities().map(({ kind, state, expiresAt }) => {
      return kind === 'x509' && state === 'active' ? expiresAt - clock.now() : 0;
    }),
  );

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 60));
