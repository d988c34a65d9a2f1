/**
 * Keys move from the disk into a token, the token is pulled out and put back, and they move on into Vault: by rotation,
 * with the log telling the story. SoftHSM is the token; what answers as Vault is ours.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { localTls } from '../fakes/local-tls.ts';
import { SoftHsm, softHsmModule } from '../fakes/softhsm.ts';
import { FakeVault } from '../fakes/vault.ts';
import { issuerAmong, leafOf, readToken } from './documents.ts';
import { first, type Mayfly, newDirectory, startMayfly, until } from './fixture.ts';
import { decodeJwtSvidResponse } from './wire.ts';
import { grpc, startWorkload, type Workload } from './workload.ts';

const hsm = new SoftHsm('mayfly');
const tls = localTls();
const directory = newDirectory();
const settingsFile = join(directory, 'mayfly.yaml');
const tokenFile = join(directory, 'vault-token');
const port = await freePort();
const inToken = `{ kind: pkcs11, module: ${softHsmModule()}, token: mayfly, pin_file: ${hsm.pinFile} }`;
let vault: FakeVault;
let mayfly: Mayfly;
let workload: Workload;
Object.assign(process.env, hsm.environment);

beforeAll(async () => {
  vault = await FakeVault.start(tls);
  writeFileSync(tokenFile, vault.token, { mode: 0o600 });
  await start('keys: { kind: disk }');
  await mayfly.operator.addPerson('ada');
  const draft = { spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:10001'], audiences: ['reports'] };
  await mayfly.operator.create(draft);
});
afterAll(async () => {
  await workload?.[Symbol.asyncDispose]();
  await mayfly?.[Symbol.asyncDispose]();
  await vault?.[Symbol.asyncDispose]();
  for (const one of [hsm, tls]) one[Symbol.dispose]();
});

async function start(...lines: readonly string[]): Promise<void> {
  writeFileSync(settingsFile, [`http: 127.0.0.1:${port}`, ...lines, ''].join('\n'));
  mayfly = await startMayfly({ directory, flags: ['--config', settingsFile] });
  workload = await startWorkload(mayfly.endpoint, 10001);
}

async function restart(...lines: readonly string[]): Promise<void> {
  await workload[Symbol.asyncDispose]();
  mayfly.operator[Symbol.dispose]();
  await mayfly.stop();
  await start(...lines);
}

async function rotate(): Promise<void> {
  for (const kind of ['x509', 'jwt']) {
    const { status, stderr } = await mayfly.command('authority', 'rotate', kind, '--force-unpublished');
    expect(status, stderr).toBe(0);
  }
}

/** What a process that was never here before is given, and what the bundle beside it says of who signed that. */
async function newcomer(): Promise<{ readonly code: number; readonly kid: string; readonly root: string }> {
  await using caller = await startWorkload(mayfly.endpoint, 10001);
  const token = await caller.call('FetchJWTSVID');
  if (token.code !== grpc.ok) return { code: token.code, kid: '', root: '' };
  const [svid] = decodeJwtSvidResponse(first(token.messages)).svids;
  const { code } = await caller.validate('reports', svid?.svid ?? '');
  const { x509Svid, bundle } = first((await caller.x509()).svids);
  const kid = String(readToken(svid?.svid ?? '').header['kid']);
  return { code, kid, root: issuerAmong(leafOf(x509Svid), bundle)?.serialNumber ?? 'nobody' };
}

interface Listed {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
}
const listed = async (): Promise<readonly Listed[]> => {
  const { stdout } = await mayfly.command('authority', 'list', '--json');
  return (JSON.parse(stdout) as { authorities: readonly Listed[] }).authorities;
};
const active = async (): Promise<string[]> => {
  const signing = (await listed()).filter(({ state }) => state === 'active');
  return signing.map(({ kind, id }) => `${kind}-${id}`).sort();
};
const onDisk = (): string[] => readdirSync(join(mayfly.dataDirectory, 'keys')).filter((name) => name.endsWith('.pem'));
const inHsm = (): string[] => {
  const shown = execFileSync('pkcs11-tool', [
    '--module',
    softHsmModule(),
    '--token-label',
    'mayfly',
    '--pin',
    hsm.pin,
    '-O',
  ]);
  return [...shown.toString().matchAll(/Private Key Object[\s\S]*?label: +mayfly-(\S+)/g)]
    .map(([, name = '']) => name)
    .sort();
};
const inVault = (): string[] => [...vault.keys.keys()].map((name) => name.slice('mayfly-'.length)).sort();

const problems = async (): Promise<readonly string[]> =>
  ((await (await fetch(`http://127.0.0.1:${port}/readyz`)).json()) as { problems: readonly string[] }).problems;

const logged = (text: string): number => mayfly.output.split('\n').filter((line) => line.includes(text)).length;

function freePort(): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const server = net.createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address() as net.AddressInfo;
    server.close(() => resolve(port));
  });
  return promise;
}

describe('keys that move from the disk into a token', () => {
  it('sign on where they are, until others take over', async () => {
    const before = await newcomer();
    await restart(`keys: ${inToken}`);
    expect(await newcomer()).toEqual(before);
    expect(onDisk()).toHaveLength(2);
    await rotate();
    const after = await newcomer();
    expect(after.code).toBe(grpc.ok);
    expect([after.kid === before.kid, after.root === before.root]).toEqual([false, false]);
    expect(inHsm()).toEqual(await active());
  });

  it('are not on the disk, and their PIN is in no log', async () => {
    expect(onDisk()).toHaveLength(2);
    const [now = ''] = (await listed()).filter(({ state }) => state === 'active').map(({ id }) => id);
    expect((await mayfly.command('authority', 'show', now)).stdout).toContain('pkcs11:mayfly/mayfly-');
    expect(mayfly.output).not.toContain(hsm.pin);
  });
});

describe('a token that is pulled out', () => {
  it('row 14 signs nothing; what was handed out is kept, and the log and /readyz say why', async () => {
    const stream = workload.open('FetchX509SVID');
    await stream.next();
    hsm.remove();
    await until('newcomers get nothing', async () => (await newcomer()).code === grpc.unavailable);
    expect(await problems()).toEqual([
      expect.stringMatching(/cannot sign: the token "mayfly" is not there: insert it/),
    ]);
    expect(logged('an authority cannot sign: its key fails')).toBeGreaterThan(0);
    expect(stream.waiting).toBe(0);
    expect((await workload.call('FetchX509Bundles')).code).toBe(grpc.ok);
    expect((await mayfly.command('authority', 'rotate', 'jwt', '--force-unpublished')).status).toBe(8);
    stream.cancel();
  });

  it('row 14 signs again when it is back, without a restart, and the log says so', async () => {
    const asked = logged('an authority cannot sign');
    hsm.insert();
    await until('newcomers are served', async () => (await newcomer()).code === grpc.ok);
    await until('all is well', async () => (await problems()).length === 0, 90_000);
    expect(logged('the authority signs again')).toBe(asked);
    expect(inHsm()).toEqual(await active());
  });

  it('row 14 is waited for by an issuer that starts without it', async () => {
    const before = await newcomer();
    hsm.remove();
    await restart(`keys: ${inToken}`);
    expect((await workload.call('FetchX509Bundles')).code).toBe(grpc.ok);
    expect((await newcomer()).code).toBe(grpc.unavailable);
    expect(await problems()).toEqual([expect.stringContaining('the token "mayfly" is not there')]);
    hsm.insert();
    await until('newcomers are served', async () => (await newcomer()).code === grpc.ok);
    expect(await newcomer()).toEqual(before);
  });
});

describe('keys that move on into Vault', () => {
  it('sign on in the token as long as it is named among the former ones', async () => {
    const before = await newcomer();
    const { address } = vault.server;
    const inVaultNow = `{ kind: vault-transit, address: "${address}", ca_file: ${tls.caFile}, token_file: ${tokenFile} }`;
    await restart(`keys: ${inVaultNow}`, `former_keys: [${inToken}]`);
    expect(await newcomer()).toEqual(before);
    await rotate();
    const after = await newcomer();
    expect([after.code, after.kid === before.kid, after.root === before.root]).toEqual([grpc.ok, false, false]);
    expect(inVault()).toEqual(await active());
    expect(inHsm()).toHaveLength(2);
  });

  it('are deleted in each place when their authorities go', async () => {
    for (const { kind, id } of (await listed()).filter(({ state }) => state === 'old')) {
      const { status, stderr } = await mayfly.command('authority', 'revoke', kind, '--id', id, '--force-unexpired');
      expect(status, stderr).toBe(0);
    }
    expect([onDisk(), inHsm(), inVault()]).toEqual([[], [], await active()]);
  });
});
