/** Keys in the transit engine of HashiCorp Vault or OpenBao: made there, never exportable, used over HTTPS. */
import { createPublicKey } from 'node:crypto';
import { z } from 'zod';
import { failpoint } from '../../runtime/failpoint.ts';
import type { KeyType, Signer } from '../../runtime/signer.ts';
import { type KeyStore, proveKey, refused } from '../keys.ts';
import { Vault, type VaultAccess, vaultRefusal } from '../vault.ts';
import { distantSigner, keyGone, keyTypeOfPublic, naming } from './elsewhere.ts';

export interface VaultSettings extends VaultAccess {
  readonly prefix: string;
}

export function vaultKeyStore(settings: VaultSettings): KeyStore {
  const vault = new Vault(settings);
  const { full, short } = naming(settings.prefix);
  return {
    create: async (name, keyType) => {
      const made = { type: types[keyType], exportable: false, allow_plaintext_backup: false };
      const path = `/keys/${full(name)}`;
      const answer = await vault.ask(anything, { method: 'POST', path, body: made });
      if (answer === undefined) throw vaultRefusal(vault.place, 404, 'nothing is mounted there');
      failpoint('key.generated');
      const signer = await find(vault, full(name));
      if (signer === undefined) throw keyGone(full(name), vault.place);
      return signer;
    },
    load: async (name, publicKey) => {
      const signer = await find(vault, full(name));
      if (signer !== undefined) await proveKey(signer, publicKey, `the key ${full(name)} in ${vault.place}`);
      return signer;
    },
    delete: (name) => remove(vault, full(name)),
    names: async () => {
      const found = await vault.ask(list, { method: 'GET', path: '/keys?list=true' });
      return (found?.data.keys ?? []).map(short).filter((name) => name !== undefined);
    },
  };
}

async function find(vault: Vault, key: string): Promise<Signer | undefined> {
  const found = await vault.ask(described, { method: 'GET', path: `/keys/${key}` });
  if (found === undefined) return undefined;
  const publicKey = publicKeyIn(found.data.keys[version]?.public_key);
  const keyType = publicKey && keyTypeOfPublic(publicKey);
  if (publicKey === undefined || keyType === undefined) {
    throw refused(`the key ${key} in ${vault.place} is of another type than we make`, 'key-swapped');
  }
  const signDigest = (digest: Buffer) => sign(vault, key, keyType, digest);
  return distantSigner({ keyType, publicKey, place: vault.place, signDigest });
}

/** Somebody may rotate the key there; we asked for none, and sign with the version that we made. */
const version = '1';

async function sign(vault: Vault, key: string, keyType: KeyType, digest: Buffer): Promise<Buffer> {
  const body = {
    input: digest.toString('base64'),
    prehashed: true,
    key_version: Number(version),
    marshaling_algorithm: 'asn1',
    signature_algorithm: 'pkcs1v15',
  };
  const path = `/sign/${key}/${keyType === 'ec-p384' ? 'sha2-384' : 'sha2-256'}`;
  const answer = await vault.ask(signed, { method: 'POST', path, body });
  if (answer === undefined) throw keyGone(key, vault.place);
  return Buffer.from(answer.data.signature.slice(`vault:v${version}:`.length), 'base64');
}

/** Two steps, because the engine keeps keys from being deleted by accident. */
async function remove(vault: Vault, key: string): Promise<void> {
  const path = `/keys/${key}`;
  if ((await vault.ask(anything, { method: 'GET', path })) === undefined) return;
  await vault.ask(anything, { method: 'POST', path: `${path}/config`, body: { deletion_allowed: true } });
  await vault.ask(anything, { method: 'DELETE', path });
  failpoint('key.removed');
}

const types: Readonly<Record<KeyType, string>> = {
  'ec-p256': 'ecdsa-p256',
  'ec-p384': 'ecdsa-p384',
  'rsa-2048': 'rsa-2048',
  'rsa-4096': 'rsa-4096',
};

const publicKeyIn = (pem: string | undefined): Buffer | undefined =>
  pem === undefined ? undefined : createPublicKey(pem).export({ type: 'spki', format: 'der' });

/** What is taken from its answers; the rest is nobody's business. */
const anything = z.unknown();
const list = z.object({ data: z.object({ keys: z.array(z.string()) }) });
const described = z.object({
  data: z.object({ keys: z.record(z.string(), z.object({ public_key: z.string().max(4096) })) }),
});
const signed = z.object({ data: z.object({ signature: z.string().startsWith('vault:v1:').max(4096) }) });
