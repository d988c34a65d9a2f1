/** Keys in AWS KMS: each has an alias that is its name here. They never leave, and are deleted after a week's grace. */
import type { KeySpec, KMSClient, SigningAlgorithmSpec } from '@aws-sdk/client-kms';
import { IdentityError } from '../../errors.ts';
import { failpoint } from '../../runtime/failpoint.ts';
import { optionalPackage } from '../../runtime/optional-package.ts';
import type { KeyType, Signer } from '../../runtime/signer.ts';
import { type KeyStore, proveKey, refused } from '../keys.ts';
import { distantSigner, keyTypeOfPublic, naming } from './elsewhere.ts';

export interface AwsKmsSettings {
  readonly region: string;
  /** Instead of the region's own, for a private endpoint. */
  readonly endpoint?: string | undefined;
  readonly prefix: string;
  readonly timeoutMs: number;
}

/** Credentials are found as by every AWS program: environment, web identity, instance profile and so on. */
export function awsKmsKeyStore(settings: AwsKmsSettings): KeyStore {
  const kms = new Kms(settings);
  const { full, short } = naming(settings.prefix);
  return {
    create: async (name, keyType) => {
      const keyId = await kms.createKey(full(name), keyType);
      failpoint('key.generated');
      await kms.giveAlias(full(name), keyId);
      return need(await kms.find(keyId), full(name));
    },
    load: async (name, publicKey) => {
      const signer = (await kms.find(aliasOf(full(name)))) ?? (publicKey ? undefined : await kms.adopt(full(name)));
      if (signer !== undefined) await proveKey(signer, publicKey, `the key ${full(name)} in ${kms.place}`);
      return signer;
    },
    delete: async (name) => {
      await kms.deleteKey(full(name));
      failpoint('key.removed');
    },
    names: async () => (await kms.aliases()).map((alias) => short(alias)).filter((name) => name !== undefined),
  };
}

const aliasOf = (key: string): string => `alias/${key}`;

const need = (signer: Signer | undefined, key: string): Signer => {
  if (signer !== undefined) return signer;
  const message = `AWS KMS has just made ${key} and does not know it yet: it will be found at the next try`;
  throw new IdentityError('unavailable', message, { reason: 'upstream-fails' });
};

class Kms {
  readonly place: string;
  readonly #settings: AwsKmsSettings;
  #loading: ReturnType<typeof load> | undefined;

  constructor(settings: AwsKmsSettings) {
    this.place = `AWS KMS in ${settings.region}`;
    this.#settings = settings;
  }

  async createKey(key: string, keyType: KeyType): Promise<string> {
    const about = { KeySpec: specs[keyType], KeyUsage: 'SIGN_VERIFY', Description: key } as const;
    // Tried once: an answer that was lost has made a key, and a second request would make another.
    const answer = await this.#call(({ kms, once }) =>
      once.send(new kms.CreateKeyCommand({ ...about, Tags: [{ TagKey: 'mayfly', TagValue: key }] })),
    );
    return answer?.KeyMetadata?.KeyId ?? '';
  }

  async giveAlias(key: string, keyId: string): Promise<void> {
    const target = { AliasName: aliasOf(key), TargetKeyId: keyId };
    await this.#call(({ kms, client }) => client.send(new kms.CreateAliasCommand(target)));
  }

  /** @param keyId its id, or an alias. Undefined where there is no such key */
  async find(keyId: string): Promise<Signer | undefined> {
    const found = await this.#call(({ kms, client }) => client.send(new kms.GetPublicKeyCommand({ KeyId: keyId })));
    if (found?.PublicKey === undefined) return undefined;
    const publicKey = Buffer.from(found.PublicKey);
    const keyType = keyTypeOfPublic(publicKey);
    if (keyType === undefined) {
      throw refused(`the key ${keyId} in ${this.place} is of another type than we make`, 'key-swapped');
    }
    const signDigest = (digest: Buffer) => this.#sign(found.KeyId ?? keyId, keyType, digest);
    return distantSigner({ keyType, publicKey, place: this.place, signDigest });
  }

  /**
   * A key that was made just before a crash has no alias yet, and KMS finds nothing by description: all are looked at.
   * That happens after such a crash only (R-KEY-2).
   */
  async adopt(key: string): Promise<Signer | undefined> {
    for (let marker: string | undefined, more = true; more; ) {
      const page = await this.#call(({ kms, client }) => client.send(new kms.ListKeysCommand({ Marker: marker })));
      for (const { KeyId = '' } of page?.Keys ?? []) {
        if (!(await this.#isOrphan(KeyId, key))) continue;
        await this.giveAlias(key, KeyId);
        return this.find(KeyId);
      }
      marker = page?.NextMarker;
      more = page?.Truncated === true;
    }
    return undefined;
  }

  async #isOrphan(keyId: string, key: string): Promise<boolean> {
    const found = await this.#call(({ kms, client }) => client.send(new kms.DescribeKeyCommand({ KeyId: keyId })));
    return found?.KeyMetadata?.Description === key && found.KeyMetadata.KeyState === 'Enabled';
  }

  /** The alias goes last: what was cut off in between is found by it and done again. */
  async deleteKey(key: string): Promise<void> {
    const alias = aliasOf(key);
    const found = await this.#call(({ kms, client }) => client.send(new kms.DescribeKeyCommand({ KeyId: alias })));
    if (found?.KeyMetadata === undefined) return;
    const { KeyId, KeyState } = found.KeyMetadata;
    const order = { KeyId, PendingWindowInDays: shortestGraceDays };
    if (KeyState !== 'PendingDeletion') {
      await this.#call(({ kms, client }) => client.send(new kms.ScheduleKeyDeletionCommand(order)));
    }
    await this.#call(({ kms, client }) => client.send(new kms.DeleteAliasCommand({ AliasName: alias })));
  }

  async aliases(): Promise<string[]> {
    const found: string[] = [];
    for (let marker: string | undefined, more = true; more; ) {
      const page = await this.#call(({ kms, client }) => client.send(new kms.ListAliasesCommand({ Marker: marker })));
      found.push(...(page?.Aliases ?? []).map(({ AliasName = '' }) => AliasName.slice('alias/'.length)));
      marker = page?.NextMarker;
      more = page?.Truncated === true;
    }
    return found;
  }

  async #sign(keyId: string, keyType: KeyType, digest: Buffer): Promise<Buffer> {
    const about = { KeyId: keyId, MessageType: 'DIGEST', SigningAlgorithm: algorithms[keyType] } as const;
    const answer = await this.#call(({ kms, client }) =>
      client.send(new kms.SignCommand({ ...about, Message: digest })),
    );
    if (answer === undefined) throw this.#refusal('NotFoundException', `the key ${keyId} is gone`);
    return Buffer.from(answer.Signature ?? []);
  }

  /** Undefined where KMS says that there is no such key. */
  async #call<T>(send: (loaded: Loaded) => Promise<T>): Promise<T | undefined> {
    this.#loading ??= load(this.#settings);
    const loaded = await this.#loading;
    try {
      return await send(loaded);
    } catch (error) {
      const { name, message } = error as Error;
      if (name === 'NotFoundException') return undefined;
      throw this.#refusal(name, message, error);
    }
  }

  #refusal(name: string, message: string, cause?: unknown): IdentityError {
    const said = `${name}: ${message.slice(0, longestFault)}`;
    const advice = advices[name] ?? 'see its status, and whether this host has credentials and a way to it';
    return new IdentityError('unavailable', `${this.place} does not do as asked (${said}): ${advice}`, {
      cause,
      reason: name === 'AccessDeniedException' ? 'upstream-refuses' : 'upstream-fails',
    });
  }
}

interface Loaded {
  readonly kms: typeof import('@aws-sdk/client-kms');
  readonly client: KMSClient;
  readonly once: KMSClient;
}

async function load({ region, endpoint, timeoutMs }: AwsKmsSettings): Promise<Loaded> {
  const kms = await optionalPackage('@aws-sdk/client-kms', 'keys.kind aws-kms', () => import('@aws-sdk/client-kms'));
  const requestHandler = { requestTimeout: timeoutMs, connectionTimeout: timeoutMs, throwOnRequestTimeout: true };
  const where = endpoint === undefined ? { region } : { region, endpoint };
  const client = (maxAttempts: number) => new kms.KMSClient({ ...where, requestHandler, maxAttempts });
  return { kms, client: client(mostAttempts), once: client(1) };
}

const mostAttempts = 2;
const shortestGraceDays = 7;
const longestFault = 300;

const advices: Readonly<Record<string, string>> = {
  AccessDeniedException: 'its policy does not allow it, see docs/operate/keys.md',
  KMSInvalidStateException: 'somebody disabled the key or ordered its deletion: enable it, or cancel that',
  DisabledException: 'somebody disabled the key: enable it',
};

const specs: Readonly<Record<KeyType, KeySpec>> = {
  'ec-p256': 'ECC_NIST_P256',
  'ec-p384': 'ECC_NIST_P384',
  'rsa-2048': 'RSA_2048',
  'rsa-4096': 'RSA_4096',
};

const algorithms: Readonly<Record<KeyType, SigningAlgorithmSpec>> = {
  'ec-p256': 'ECDSA_SHA_256',
  'ec-p384': 'ECDSA_SHA_384',
  'rsa-2048': 'RSASSA_PKCS1_V1_5_SHA_256',
  'rsa-4096': 'RSASSA_PKCS1_V1_5_SHA_256',
};
