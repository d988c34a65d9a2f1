/** Logging in at Vault or OpenBao: with what, how often, and what is said when it is refused. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { refusal } from '../../test/fakes/authority.ts';
import { localTls } from '../../test/fakes/local-tls.ts';
import { FakeVault } from '../../test/fakes/vault.ts';
import { vaultKeyStore } from './keys/vault-transit.ts';
import type { VaultAuth } from './vault-login.ts';

const tls = localTls();
const file = (name: string): string => join(tls.directory, name);
const [jwtFile, certificateFile, keyFile] = ['token.jwt', 'svid.pem', 'svid.key'].map(file) as [string, string, string];
const auths: Readonly<Record<string, VaultAuth>> = {
  'a JWT-SVID': { login: { mount: 'jwt', role: 'mayfly', jwtFile } },
  'a client certificate': { login: { mount: 'cert', role: 'mayfly', certificateFile, keyFile } },
};
let vault: FakeVault;

const open = (auth: VaultAuth) =>
  vaultKeyStore({
    ...{ address: vault.server.address, caFile: tls.caFile, timeoutMs: 20_000, mount: 'transit', prefix: 'mayfly-' },
    auth,
  });
const logins = (): number => vault.server.asked.filter(({ url }) => url.pathname.startsWith('/v1/auth/')).length;

beforeAll(async () => {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile];
  execFileSync('openssl', ['req', '-x509', ...key, '-subj', '/CN=issuer', '-out', certificateFile], { stdio: 'pipe' });
  writeFileSync(jwtFile, 'head.claims.signature\n');
});
beforeEach(async () => {
  await vault?.[Symbol.asyncDispose]();
  vault = await FakeVault.start(tls);
  vault.members.set('head.claims.signature', 'mayfly').set('CN=issuer', 'mayfly');
});
afterAll(async () => {
  await vault[Symbol.asyncDispose]();
  tls[Symbol.dispose]();
});

describe.each(Object.entries(auths))('with %s', (_, auth) => {
  it('one login serves many calls, and those that come at once, too', async () => {
    const store = open(auth);
    await Promise.all([store.names(), store.names(), store.names()]);
    await store.names();
    expect(logins()).toBe(1);
  });

  it('a token that was taken back is followed by another, in the same call', async () => {
    const store = open(auth);
    await store.names();
    vault.token = 'hvs.revoked';
    await store.names();
    expect(logins()).toBe(2);
  });

  it('a short token is not used to its end', async () => {
    vault.leaseSeconds = 0.001;
    const store = open(auth);
    await store.names();
    await new Promise((resolve) => setTimeout(resolve, 5));
    await store.names();
    expect(logins()).toBe(2);
  });

  it('a login that is refused says what to look at, is tried once for each call, and what was shown is in no message', async () => {
    vault.members.clear();
    const { code, message } = await refusal(open(auth).names());
    expect([code, message]).toEqual(['unavailable', expect.stringMatching(/refuses the login with status 400.*role/)]);
    expect(message).not.toContain('claims');
    expect(logins()).toBe(1);
  });

  it('row 14 what answers with nonsense has not let us in', async () => {
    vault.server.trouble = 'garbage';
    expect((await refusal(open(auth).names())).code).toBe('unavailable');
  });
});

it('a file that was replaced is read again at the next login', async () => {
  const store = open(auths['a JWT-SVID'] as VaultAuth);
  await store.names();
  writeFileSync(jwtFile, 'head.other.signature');
  vault.members.clear();
  vault.members.set('head.other.signature', 'mayfly');
  vault.token = 'hvs.revoked';
  await store.names();
  expect(logins()).toBe(2);
  writeFileSync(jwtFile, 'head.claims.signature\n');
});
