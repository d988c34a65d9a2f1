import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { refusal } from '../../../test/fakes/authority.ts';
import type { Trouble } from '../../../test/fakes/json-server.ts';
import { localTls } from '../../../test/fakes/local-tls.ts';
import { FakeVault } from '../../../test/fakes/vault.ts';
import type { Signer } from '../../runtime/signer.ts';
import { vaultKeyStore } from './vault-transit.ts';

const name = `jwt-${'0'.repeat(32)}`;
const tls = localTls();
let vault: FakeVault;
const tokenFile = join(tls.directory, 'token');
const holdToken = (token: string): void => writeFileSync(tokenFile, token, { mode: 0o600 });
let signer: Signer;

const open = (options: { timeoutMs?: number; mount?: string; caFile?: string | undefined } = {}) =>
  vaultKeyStore({
    ...{ address: vault.server.address, caFile: tls.caFile, timeoutMs: 20_000, mount: 'transit', prefix: 'mayfly-' },
    auth: { tokenFile },
    ...options,
  });
const signed = (): Promise<Buffer> => Promise.resolve(signer.sign(Buffer.from('bytes'), 'der'));

beforeAll(async () => {
  vault = await FakeVault.start(tls);
  holdToken(vault.token);
  signer = await open().create(name, 'ec-p256');
});
afterAll(async () => {
  await vault[Symbol.asyncDispose]();
  tls[Symbol.dispose]();
});

describe('keys in Vault or OpenBao', () => {
  it('can be neither exported nor backed up, which is asked for when they are made', () => {
    const made = vault.server.asked.find(({ method }) => method === 'POST');
    expect(JSON.parse(made?.text ?? '')).toEqual({
      type: 'ecdsa-p256',
      exportable: false,
      allow_plaintext_backup: false,
    });
  });

  it.each<Trouble>(['away', 'garbage', 'endless', 'redirect'])(
    'row 14 a server that is %s is unavailable, soon',
    async (trouble) => {
      vault.server.trouble = trouble;
      const { code, message } = await refusal(signed());
      vault.server.trouble = undefined;
      expect([code, message]).toEqual(['unavailable', expect.stringContaining(vault.server.address)]);
      expect((await signed()).length).toBeGreaterThan(60);
    },
  );

  it('row 14 one that never answers is given up on', async () => {
    vault.server.trouble = 'silent';
    const { code, message } = await refusal(open({ timeoutMs: 200 }).names());
    vault.server.trouble = undefined;
    expect([code, message]).toEqual(['unavailable', expect.stringContaining('nothing within 200 ms')]);
  });

  it('a sealed one says so, and is not taken for one without keys', async () => {
    vault.server.trouble = { status: 503, body: { errors: ['Vault is sealed'] } };
    const refusals = await Promise.all([signed(), open().load(name, undefined), open().names()].map(refusal));
    vault.server.trouble = undefined;
    for (const { code, message } of refusals) {
      expect([code, message]).toEqual(['unavailable', expect.stringContaining('Vault is sealed')]);
    }
  });

  it('a token that has ended is said to have, and is read again for each call; it is in no message', async () => {
    holdToken('hvs.ended');
    const { code, message } = await refusal(signed());
    expect([code, message]).toEqual(['unavailable', expect.stringContaining('the token has ended')]);
    expect(message).not.toContain('hvs.ended');
    holdToken(vault.token);
    expect((await signed()).length).toBeGreaterThan(60);
  });

  it('a signature by another key is not passed on', async () => {
    const own = vault.keys.get(`mayfly-${name}`);
    await open().create(`jwt-${'1'.repeat(32)}`, 'ec-p256');
    const other = vault.keys.get(`mayfly-jwt-${'1'.repeat(32)}`);
    if (own === undefined || other === undefined) throw new Error('a key is missing');
    vault.keys.set(`mayfly-${name}`, other);
    expect(await refusal(signed())).toMatchObject({ code: 'unavailable', reason: 'key-doubtful' });
    vault.keys.set(`mayfly-${name}`, own);
    expect((await signed()).length).toBeGreaterThan(60);
  });

  it('a key that somebody deleted is gone, for its signer and for a start', async () => {
    const deleted = `jwt-${'2'.repeat(32)}`;
    const orphan = await open().create(deleted, 'ec-p256');
    vault.keys.delete(`mayfly-${deleted}`);
    expect(await refusal(Promise.resolve(orphan.sign(Buffer.from('bytes'), 'der')))).toMatchObject({
      reason: 'key-missing',
    });
    expect(await open().load(deleted, orphan.publicKey)).toBeUndefined();
  });

  it('another mount, and another certificate, are refused', async () => {
    expect((await refusal(open({ mount: 'elsewhere' }).create(name, 'ec-p256'))).message).toContain(
      'no handler for route',
    );
    expect((await refusal(open({ caFile: undefined }).names())).message).toMatch(/SELF_SIGNED|UNABLE_TO_VERIFY/);
  });
});
