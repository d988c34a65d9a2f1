import { execFileSync } from 'node:child_process';
import { createPublicKey, verify } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { generateKey, hashOf, type KeyType, publicKeyOf, softwareSigner } from '../runtime/signer.ts';
import { diskKeyStore } from './disk-keys.ts';
import { memoryKeyStore, proveKey } from './keys.ts';

const root = mkdtempSync(join(tmpdir(), 'mayfly-keys-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
const fresh = (): string => join(root, `${++count}`);
const name = (digit: string): string => `x509-${digit.repeat(32)}`;

const refusal = async (run: Promise<unknown>): Promise<{ code: string; message: string }> => {
  try {
    await run;
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error('nothing was refused');
};

describe('diskKeyStore', () => {
  it.each<KeyType>(['ec-p256', 'ec-p384', 'rsa-2048'])(
    'keeps a key of type %s, and openssl can read it',
    async (keyType) => {
      const directory = fresh();
      const made = await diskKeyStore(directory).create(name('a'), keyType);
      const loaded = await diskKeyStore(directory).load(name('a'), made.publicKey);
      expect(loaded?.keyType).toBe(keyType);
      const signature = (await loaded?.sign(Buffer.from('bytes'), 'der')) ?? Buffer.alloc(0);
      const key = createPublicKey({ key: made.publicKey, format: 'der', type: 'spki' });
      expect(verify(hashOf(keyType), Buffer.from('bytes'), key, signature)).toBe(true);
      const path = join(directory, `${name('a')}.pem`);
      const spki = execFileSync('openssl', ['pkey', '-in', path, '-pubout', '-outform', 'DER']);
      expect(spki.equals(made.publicKey)).toBe(true);
    },
  );

  it('R-KEY-1 keeps files at 0600 in a directory at 0700, and leaves nothing else there', async () => {
    const directory = fresh();
    await diskKeyStore(directory).create(name('a'), 'ec-p256');
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(readdirSync(directory)).toEqual([`${name('a')}.pem`]);
    expect(statSync(join(directory, `${name('a')}.pem`)).mode & 0o777).toBe(0o600);
  });

  it('R-KEY-1 refuses a directory or a file that others can read', async () => {
    const directory = fresh();
    const store = diskKeyStore(directory);
    await store.create(name('a'), 'ec-p256');
    chmodSync(join(directory, `${name('a')}.pem`), 0o644);
    const refused = await refusal(store.load(name('a'), undefined));
    expect(refused.code).toBe('failed-precondition');
    expect(refused.message).toContain('chmod 0600');
    const open = fresh();
    mkdirSync(open);
    chmodSync(open, 0o755);
    expect(() => diskKeyStore(open)).toThrow('chmod 0700');
  });

  it('R-KEY-1 refuses 200 files with one flipped bit each, names the file and says what to do', async () => {
    for (const keyType of ['ec-p256', 'rsa-2048'] as const) {
      const directory = fresh();
      const store = diskKeyStore(directory);
      const { publicKey } = await store.create(name('a'), keyType);
      const path = join(directory, `${name('a')}.pem`);
      const whole = readFileSync(path);
      for (let step = 0; step < 200; step++) {
        const flipped = Buffer.from(whole);
        const at = Math.floor((step * whole.length) / 200);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << (step % 8));
        writeFileSync(path, flipped);
        const { code, message } = await refusal(store.load(name('a'), publicKey));
        expect(code, `byte ${at}`).toBe('data-loss');
        expect(message).toContain(path);
        expect(message).toContain('put it back from a backup');
      }
      for (const length of [0, 1, 80, whole.length - 1]) {
        writeFileSync(path, whole.subarray(0, length));
        expect((await refusal(store.load(name('a'), publicKey))).code).toBe('data-loss');
      }
    }
  });

  it('R-KEY-1 refuses a whole and healthy key in the place of another', async () => {
    const directory = fresh();
    const store = diskKeyStore(directory);
    const { publicKey } = await store.create(name('a'), 'ec-p256');
    await store.create(name('b'), 'ec-p256');
    const path = join(directory, `${name('a')}.pem`);
    writeFileSync(path, readFileSync(join(directory, `${name('b')}.pem`)));
    const { code, message } = await refusal(store.load(name('a'), publicKey));
    expect(code).toBe('data-loss');
    expect(message).toContain(`${path} is not the key that was published`);
  });

  it('knows its own keys only: what else lies in the directory is neither listed nor deleted', async () => {
    const directory = fresh();
    const store = diskKeyStore(directory);
    writeFileSync(join(directory, 'ledger.seal'), 'seal', { mode: 0o600 });
    await store.create(name('a'), 'ec-p256');
    expect(await store.names()).toEqual([name('a')]);
    expect(await store.load(name('b'), undefined)).toBeUndefined();
    await store.delete(name('a'));
    await store.delete(name('a'));
    expect(await store.names()).toEqual([]);
    await expect(store.delete('../ledger')).rejects.toThrow(TypeError);
    expect(readdirSync(directory)).toEqual(['ledger.seal']);
  });
});

describe('proveKey', () => {
  it('finds a pair whose halves do not belong together, wherever it is kept', async () => {
    const [one, two] = await Promise.all([generateKey('ec-p256'), generateKey('ec-p256')]);
    const broken = { ...softwareSigner(one), publicKey: publicKeyOf(two) };
    expect((await refusal(proveKey(broken, undefined, 'slot 1'))).message).toContain('slot 1 is damaged');
  });

  it('is asked by the memory store as well', async () => {
    const store = memoryKeyStore();
    const { publicKey } = await store.create('jwt-1', 'ec-p256');
    expect((await store.load('jwt-1', publicKey))?.publicKey).toEqual(publicKey);
    expect((await refusal(store.load('jwt-1', Buffer.from('other')))).code).toBe('data-loss');
  });
});
