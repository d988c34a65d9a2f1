/** Keys in the transit engine of HashiCorp Vault or OpenBao: made there, never exportable, used over HTTPS. */
import { createPublicKey } from 'node:crypto';
import { z } from 'zod';
import { IdentityError } from '../../errors.ts';
import { failpoint } from '../../runtime/failpoint.ts';
import { type JsonAnswer, type JsonApiSettings, type JsonRequest, jsonApi } from '../../runtime/json-api.ts';
import type { KeyType, Signer } from '../../runtime/signer.ts';
import { type KeyStore, proveKey, refused } from '../keys.ts';
import { distantSigner, keyGone, keyTypeOfPublic, naming } from './elsewhere.ts';

export interface VaultSettings extends JsonApiSettings {
  /** Where the engine is mounted. */
  readonly mount: string;
  readonly namespace?: string | undefined;
  /** Read for each call, so that whoever renews it need not tell us. */
  readonly token: () => string;
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
      if (answer === undefined) throw refusal(vault.place, 404, 'nothing is mounted there');
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

class Vault {
  readonly place: string;
  readonly #settings: VaultSettings;
  readonly #api: ReturnType<typeof jsonApi>;

  constructor(settings: VaultSettings) {
    this.place = `${settings.address} (transit at ${settings.mount})`;
    this.#settings = settings;
    this.#api = jsonApi(settings);
  }

  /** Undefined where the answer is that there is no such thing. */
  async ask<T>(shape: z.ZodType<T>, request: JsonRequest): Promise<T | undefined> {
    const { status, body } = await this.#send(request);
    if (status >= 200 && status < 300) return this.#read(shape, body ?? {});
    const { data } = failed.safeParse(body);
    const faults = data?.errors.join('; ').slice(0, longestFault) ?? '';
    if ((status === 404 && faults === '') || (status === 400 && faults.includes('key not found'))) return undefined;
    throw refusal(this.place, status, faults);
  }

  #send({ method, path, body }: JsonRequest): Promise<JsonAnswer> {
    const { mount, namespace, token } = this.#settings;
    const headers = {
      'x-vault-request': 'true',
      'x-vault-token': token(),
      ...(namespace === undefined ? {} : { 'x-vault-namespace': namespace }),
    };
    const request = { method, path: `/v1/${mount}${path}`, headers };
    return this.#api(body === undefined ? request : { ...request, body });
  }

  #read<T>(shape: z.ZodType<T>, body: unknown): T {
    const { data, error } = shape.safeParse(body);
    if (error === undefined) return data;
    const message = `${this.place} answers with something else than this API does: check address and mount`;
    throw new IdentityError('unavailable', message, { cause: error, reason: 'upstream-fails' });
  }
}

function refusal(place: string, status: number, faults: string): IdentityError {
  const advice =
    status === 403
      ? 'the token has ended or its policy does not allow it, see docs/operate/keys.md'
      : 'see its own log; it may be sealed, or the mount may be another';
  return new IdentityError('unavailable', `${place} refuses with status ${status} (${faults}): ${advice}`, {
    reason: status === 403 ? 'upstream-refuses' : 'upstream-fails',
  });
}

const longestFault = 200;

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
const failed = z.object({ errors: z.array(z.string()) });
