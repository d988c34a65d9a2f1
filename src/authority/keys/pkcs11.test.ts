import { createPublicKey, verify } from 'node:crypto';
import { chmodSync, copyFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { SoftHsm, softHsmModule } from '../../../test/fakes/softhsm.ts';
import { IdentityError } from '../../errors.ts';
import { readPrivateFile } from '../../runtime/files.ts';
import { hashOf, type KeyType } from '../../runtime/signer.ts';
import { pkcs11KeyStore } from './pkcs11.ts';

const hsm = new SoftHsm('mayfly', 'other', 'pins');
Object.assign(process.env, hsm.environment);
afterAll(() => hsm[Symbol.dispose]());

const pin = () => readPrivateFile(hsm.pinFile, 1024).toString().trim();
const open = (options: { token?: string; prefix?: string; pin?: () => string; module?: string } = {}) =>
  pkcs11KeyStore({
    module: softHsmModule(),
    token: 'mayfly',
    prefix: 'mayfly-',
    pin,
    sessions: 3,
    timeoutMs: 20_000,
    ...options,
  });
let count = 0;
const fresh = (): string => `x509-${(++count).toString(16).padStart(32, '0')}`;

const refusal = async (run: Promise<unknown>): Promise<IdentityError> => {
  const error = await run.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (error instanceof IdentityError) return error;
  throw error ?? new Error('nothing was refused');
};

describe('keys in a PKCS#11 token', () => {
  const store = open();

  it.each<KeyType>(['ec-p256', 'ec-p384', 'rsa-2048'])('are made there, found again and sign: %s', async (keyType) => {
    const name = fresh();
    const made = await store.create(name, keyType);
    const loaded = await open().load(name, made.publicKey);
    expect([made.keyType, loaded?.keyType]).toEqual([keyType, keyType]);
    const bytes = Buffer.from('what is to be signed');
    const key = createPublicKey({ key: made.publicKey, format: 'der', type: 'spki' });
    for (const signer of [made, loaded]) {
      const der = (await signer?.sign(bytes, 'der')) ?? Buffer.alloc(0);
      expect(verify(hashOf(keyType), bytes, key, der)).toBe(true);
      const jose = (await signer?.sign(bytes, 'jose')) ?? Buffer.alloc(0);
      expect(verify(hashOf(keyType), bytes, { key, dsaEncoding: 'ieee-p1363' }, jose)).toBe(true);
    }
    await store.delete(name);
    expect(await store.load(name, made.publicKey)).toBeUndefined();
    await store.delete(name);
  });

  it('sign many at a time over a few sessions', async () => {
    const signer = await store.create(fresh(), 'ec-p256');
    const key = createPublicKey({ key: signer.publicKey, format: 'der', type: 'spki' });
    const work = Array.from({ length: 200 }, (_, index) => Buffer.from(`number ${index}`));
    const signatures = await Promise.all(work.map((bytes) => signer.sign(bytes, 'der')));
    expect(
      signatures.every((signature, index) => verify('sha256', work[index] ?? Buffer.alloc(0), key, signature)),
    ).toBe(true);
  });

  it("R-KEY-2 made again under a name are one pair, and another issuer's are neither listed nor found", async () => {
    const [ours, theirs] = [open({ token: 'other' }), open({ token: 'other', prefix: 'theirs-' })];
    const name = fresh();
    await ours.create(name, 'ec-p256');
    const second = await ours.create(name, 'ec-p256');
    expect((await ours.load(name, second.publicKey))?.publicKey).toEqual(second.publicKey);
    const foreign = fresh();
    await theirs.create(foreign, 'ec-p256');
    expect(await ours.names()).toEqual([name]);
    expect(await theirs.names()).toEqual([foreign]);
    expect(await ours.load(foreign, undefined)).toBeUndefined();
  });

  it('R-KEY-1 another key in the place of the one that was published is refused', async () => {
    const name = fresh();
    const { publicKey } = await store.create(name, 'ec-p256');
    const signer = await store.load(name, publicKey);
    await open().create(name, 'ec-p256');
    expect((await refusal(store.load(name, publicKey))).code).toBe('data-loss');
    const { code, message } = await refusal(Promise.resolve(signer?.sign(Buffer.from('bytes'), 'der')));
    expect(code).toBe('unavailable');
    expect(message).toMatch(/not of the key that was published|not answer as it should/);
  });

  it('row 14 a token that is taken out signs nothing, and signs again when it is back', async () => {
    const name = fresh();
    const signer = await store.create(name, 'ec-p256');
    hsm.remove();
    const away = await refusal(Promise.resolve(signer.sign(Buffer.from('bytes'), 'der')));
    expect([away.code, away.message]).toEqual([
      'unavailable',
      expect.stringContaining('the token "mayfly" is not there'),
    ]);
    expect((await refusal(store.create(fresh(), 'ec-p256'))).code).toBe('unavailable');
    expect((await refusal(store.load(name, undefined))).code).toBe('unavailable');
    expect((await refusal(store.names())).code).toBe('unavailable');
    hsm.insert();
    await expect
      .poll(() => Promise.resolve(signer.sign(Buffer.from('bytes'), 'der')).then(({ length }) => length > 60, String), {
        timeout: 20_000,
      })
      .toBe(true);
  });

  it('a wrong PIN is tried once, and the next one when it was corrected', async () => {
    let typed = '000000';
    const locked = open({ token: 'pins', pin: () => typed });
    for (let attempt = 0; attempt < 20; attempt++) {
      const { code, message } = await refusal(locked.names());
      expect([code, message]).toEqual(['failed-precondition', expect.stringContaining('refuses the PIN')]);
      expect(message).not.toContain(typed);
    }
    typed = hsm.pin;
    await expect.poll(() => locked.names().catch(String), { timeout: 20_000 }).toEqual([]);
  });

  it('R-KEY-1 a module that others can change is not loaded: it runs beside the keys', () => {
    const module = `${hsm.directory}/module.so`;
    copyFileSync(softHsmModule(), module);
    chmodSync(module, 0o666);
    expect(() => open({ module })).toThrow('others can write to');
    chmodSync(module, 0o644);
    expect(() => open({ module })).not.toThrow();
  });

  it('what is no module is said to be none', async () => {
    const nothing = `${hsm.directory}/empty.so`;
    writeFileSync(nothing, '');
    expect(() => open({ module: nothing })).toThrow('is not a PKCS#11 module');
    expect(() => open({ module: '/lib/x86_64-linux-gnu/nowhere.so' })).toThrow('is not a PKCS#11 module');
  });
});
