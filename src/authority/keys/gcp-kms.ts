/** Keys in Google Cloud KMS: a CryptoKey of one version for each, whose checksums are compared on every way. */
import { createPublicKey } from 'node:crypto';
import type { KeyManagementServiceClient } from '@google-cloud/kms';
import { IdentityError } from '../../errors.ts';
import { sleep, systemClock } from '../../runtime/clock.ts';
import { crc32c } from '../../runtime/crc32c.ts';
import { failpoint } from '../../runtime/failpoint.ts';
import { optionalPackage } from '../../runtime/optional-package.ts';
import type { KeyType, Signer } from '../../runtime/signer.ts';
import { type KeyStore, proveKey, refused } from '../keys.ts';
import { distantSigner, keyGone, keyTypeOfPublic, naming } from './elsewhere.ts';

export interface GcpKmsSettings {
  /** `projects/P/locations/L/keyRings/R`; it must exist. */
  readonly keyRing: string;
  readonly protection: 'hsm' | 'software';
  /** Instead of Google's own, for a private endpoint: https://… or, on a loopback address, http://… */
  readonly endpoint?: string | undefined;
  readonly prefix: string;
  readonly timeoutMs: number;
}

/** Credentials are found as by every Google program: GOOGLE_APPLICATION_CREDENTIALS, the metadata service and so on. */
export function gcpKmsKeyStore(settings: GcpKmsSettings): KeyStore {
  const kms = new Kms(settings);
  const { full, short } = naming(settings.prefix);
  return {
    create: async (name, keyType) => {
      await kms.createKey(full(name), keyType);
      failpoint('key.generated');
      const signer = await kms.find(full(name));
      if (signer === undefined) throw keyGone(full(name), kms.place);
      return signer;
    },
    load: async (name, publicKey) => {
      const signer = await kms.find(full(name));
      if (signer !== undefined) await proveKey(signer, publicKey, `the key ${full(name)} in ${kms.place}`);
      return signer;
    },
    delete: async (name) => {
      await kms.destroyKey(full(name));
      failpoint('key.removed');
    },
    names: async () => (await kms.list()).map(short).filter((name) => name !== undefined),
  };
}

/** CryptoKeys are never deleted: a label keeps those whose version was destroyed out of the list. */
const label = 'mayfly';
const listed = 'listed';
const destroyed = 'destroyed';

class Kms {
  readonly place: string;
  readonly #settings: GcpKmsSettings;
  #client: Promise<KeyManagementServiceClient> | undefined;

  constructor(settings: GcpKmsSettings) {
    this.place = `Google Cloud KMS (${settings.keyRing})`;
    this.#settings = settings;
  }

  /** One that is there already was made by an attempt that did not hear the answer. */
  async createKey(key: string, keyType: KeyType): Promise<void> {
    const { keyRing, protection } = this.#settings;
    const protectionLevel = protection === 'hsm' ? 'HSM' : 'SOFTWARE';
    const versionTemplate = { algorithm: algorithms[keyType], protectionLevel } as const;
    const cryptoKey = { purpose: 'ASYMMETRIC_SIGN', versionTemplate, labels: { [label]: listed } } as const;
    const order = { parent: keyRing, cryptoKeyId: key, cryptoKey };
    await this.#call((client, options) => client.createCryptoKey(order, options), [code.alreadyExists]);
  }

  /** Undefined where there is none, or its version was destroyed by us. */
  async find(key: string): Promise<Signer | undefined> {
    const name = this.#version(key);
    if (!(await this.#isReady(key, name))) return undefined;
    const [found] = (await this.#call((client, options) => client.getPublicKey({ name }, options))) ?? [];
    if (typeof found?.pem !== 'string') return undefined;
    if (!matches(found.pemCrc32c?.value, Buffer.from(found.pem))) throw this.#garbled();
    const publicKey = createPublicKey(found.pem).export({ type: 'spki', format: 'der' });
    const keyType = keyTypeOfPublic(publicKey);
    if (keyType === undefined) {
      throw refused(`the key ${key} in ${this.place} is of another type than we make`, 'key-swapped');
    }
    const signDigest = (digest: Buffer) => this.#sign(name, keyType, digest);
    return distantSigner({ keyType, publicKey, place: this.place, signDigest });
  }

  async destroyKey(key: string): Promise<void> {
    const name = this.#version(key);
    const found = await this.#call((client, options) => client.getCryptoKeyVersion({ name }, options));
    if (found === undefined) return;
    if (!`${found[0].state}`.startsWith('DESTROY')) {
      await this.#call((client, options) => client.destroyCryptoKeyVersion({ name }, options));
    }
    const cryptoKey = { name: this.#name(key), labels: { [label]: destroyed } };
    const order = { cryptoKey, updateMask: { paths: ['labels'] } };
    await this.#call((client, options) => client.updateCryptoKey(order, options));
  }

  async list(): Promise<string[]> {
    const { keyRing } = this.#settings;
    const order = { parent: keyRing, filter: `labels.${label}=${listed}` };
    const [found] = (await this.#call((client, options) => client.listCryptoKeys(order, options))) ?? [[]];
    return found.map(({ name }) => `${name}`.slice(`${keyRing}/cryptoKeys/`.length));
  }

  /** A new version is generated for a while, seconds in an HSM. */
  async #isReady(key: string, name: string): Promise<boolean> {
    for (const late = performance.now() + this.#settings.timeoutMs; ; await sleep(systemClock, generationPauseMs)) {
      const found = await this.#call((client, options) => client.getCryptoKeyVersion({ name }, options));
      const state = `${found?.[0].state}`;
      if (state === 'ENABLED') return true;
      if (state === 'PENDING_GENERATION' && performance.now() < late) continue;
      if (found === undefined || (await this.#wasDestroyed(key))) return false;
      throw this.#refusal(`${name} is ${state}: where somebody disabled or destroyed it, enable or restore it`);
    }
  }

  async #wasDestroyed(key: string): Promise<boolean> {
    const name = this.#name(key);
    const found = await this.#call((client, options) => client.getCryptoKey({ name }, options));
    return found?.[0].labels?.[label] === destroyed;
  }

  async #sign(name: string, keyType: KeyType, digest: Buffer): Promise<Buffer> {
    const field = keyType === 'ec-p384' ? { sha384: digest } : { sha256: digest };
    const order = { name, digest: field, digestCrc32c: { value: crc32c(digest) } };
    const answer = await this.#call((client, options) => client.asymmetricSign(order, options));
    if (answer === undefined) throw keyGone(name, this.place);
    const [{ signature, signatureCrc32c, verifiedDigestCrc32c }] = answer;
    const bytes = Buffer.from((signature as Uint8Array | undefined) ?? []);
    if (verifiedDigestCrc32c !== true || !matches(signatureCrc32c?.value, bytes)) throw this.#garbled();
    return bytes;
  }

  #name(key: string): string {
    return `${this.#settings.keyRing}/cryptoKeys/${key}`;
  }

  #version(key: string): string {
    return `${this.#name(key)}/cryptoKeyVersions/1`;
  }

  /** Undefined where the answer is that there is no such thing, or one of the others that are expected. */
  async #call<T>(
    send: (client: KeyManagementServiceClient, options: { timeout: number; maxRetries: number }) => Promise<T>,
    expected: readonly number[] = [],
  ): Promise<T | undefined> {
    const { timeoutMs } = this.#settings;
    this.#client ??= load(this.#settings);
    const client = await this.#client;
    try {
      return await send(client, { timeout: timeoutMs, maxRetries: 1 });
    } catch (error) {
      const status = (error as { code?: unknown }).code;
      if (status === code.notFound || expected.some((one) => one === status)) return undefined;
      throw this.#refusal((error as Error).message.slice(0, longestFault), error);
    }
  }

  #refusal(said: string, cause?: unknown): IdentityError {
    const denied = (cause as { code?: unknown } | undefined)?.code === code.permissionDenied;
    const advice = denied ? '; its policy does not allow it, see docs/operate/keys.md' : '';
    return new IdentityError('unavailable', `${this.place} does not do as asked (${said})${advice}`, {
      cause,
      reason: denied ? 'upstream-refuses' : 'upstream-fails',
    });
  }

  #garbled(): IdentityError {
    return this.#refusal('a checksum does not fit: something between here and there changed the bytes');
  }
}

const matches = (checksum: unknown, bytes: Buffer): boolean => String(checksum) === String(crc32c(bytes));

/** Over HTTP and JSON: one way through proxies, and one library less than gRPC that runs beside the keys. */
async function load({ endpoint }: GcpKmsSettings): Promise<KeyManagementServiceClient> {
  const kms = await optionalPackage('@google-cloud/kms', 'keys.kind gcp-kms', () => import('@google-cloud/kms'));
  const url = endpoint === undefined ? undefined : new URL(endpoint);
  const where = url && { apiEndpoint: url.hostname, port: portOf(url), protocol: url.protocol.slice(0, -1) };
  return new kms.KeyManagementServiceClient({ fallback: true, ...where });
}

const portOf = ({ port, protocol }: URL): number => (port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port));

/** Of google.rpc.Code. */
const code = { notFound: 5, alreadyExists: 6, permissionDenied: 7 } as const;
const generationPauseMs = 250;
const longestFault = 300;

const algorithms = {
  'ec-p256': 'EC_SIGN_P256_SHA256',
  'ec-p384': 'EC_SIGN_P384_SHA384',
  'rsa-2048': 'RSA_SIGN_PKCS1_2048_SHA256',
  'rsa-4096': 'RSA_SIGN_PKCS1_4096_SHA256',
} as const satisfies Readonly<Record<KeyType, string>>;
