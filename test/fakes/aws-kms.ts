/** What AWS KMS answers to the calls that we make (TrentService, JSON 1.1), and what of a request it insists on. */
import { type KeyObject, randomUUID } from 'node:crypto';
import { type Answer, type Asked, JsonServer } from './json-server.ts';
import { pairOf, signDigest } from './sign-digest.ts';

interface Key {
  readonly id: string;
  readonly spec: string;
  readonly description: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  state: 'Enabled' | 'PendingDeletion' | 'Disabled';
}
type Body = Readonly<Record<string, unknown>>;

export const awsRegion = 'eu-north-1';
/** For the SDK's own search for credentials. */
export const awsEnvironment = { AWS_ACCESS_KEY_ID: 'AKIDTESTING', AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI' };

export class FakeAwsKms implements AsyncDisposable {
  readonly keys = new Map<string, Key>();
  readonly aliases = new Map<string, string>();
  /** So small that every list has several pages. */
  readonly pageSize = 2;
  #server: JsonServer | undefined;

  static async start(): Promise<FakeAwsKms> {
    const kms = new FakeAwsKms();
    kms.#server = await JsonServer.start((asked) => kms.#answer(asked));
    return kms;
  }

  get server(): JsonServer {
    if (this.#server === undefined) throw new Error('not started');
    return this.#server;
  }

  /** Keys that cost money and that nothing names. */
  get orphans(): number {
    const named = new Set(this.aliases.values());
    return [...this.keys.values()].filter(({ id, state }) => state === 'Enabled' && !named.has(id)).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
  }

  #answer({ method, headers, text }: Asked): Answer {
    const scope = new RegExp(`^AWS4-HMAC-SHA256 Credential=AKIDTESTING/\\d{8}/${awsRegion}/kms/aws4_request, `);
    if (!scope.test(headers.authorization ?? '')) return refused('MissingAuthenticationTokenException', 'unsigned');
    if (method !== 'POST' || headers['content-type'] !== 'application/x-amz-json-1.1')
      return refused('SerializationException', '');
    const target = /^TrentService\.(\w+)$/.exec(String(headers['x-amz-target']))?.[1] ?? '';
    const operation = this.#operations[target];
    return operation === undefined ? refused('UnknownOperationException', target) : operation(JSON.parse(text));
  }

  readonly #operations: Readonly<Record<string, (body: Body) => Answer>> = {
    CreateKey: ({ KeySpec, KeyUsage, Description, Tags }) => {
      const spec = String(KeySpec);
      if (KeyUsage !== 'SIGN_VERIFY' || !/^(ECC_NIST_P256|ECC_NIST_P384|RSA_2048|RSA_4096)$/.test(spec))
        return invalid('spec');
      if (JSON.stringify(Tags) !== JSON.stringify([{ TagKey: 'mayfly', TagValue: Description }]))
        return invalid('tags');
      const pair = pairOf(Number(/\d+$/.exec(spec)?.[0]));
      const key = { id: randomUUID(), spec, description: String(Description), ...pair, state: 'Enabled' } as const;
      this.keys.set(key.id, { ...key });
      return { status: 200, body: { KeyMetadata: metadata(key) } };
    },

    CreateAlias: ({ AliasName, TargetKeyId }) => {
      const [alias, id] = [String(AliasName), String(TargetKeyId)];
      if (!/^alias\/[a-zA-Z0-9/_-]{1,250}$/.test(alias)) return refused('InvalidAliasNameException', alias);
      if (this.aliases.has(alias)) return refused('AlreadyExistsException', alias);
      if (!this.keys.has(id)) return missing(id);
      this.aliases.set(alias, id);
      return { status: 200 };
    },

    GetPublicKey: ({ KeyId }) =>
      this.#usable(KeyId, (key) => {
        const PublicKey = key.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
        return { KeyId: arn(key.id), KeySpec: key.spec, KeyUsage: 'SIGN_VERIFY', PublicKey };
      }),

    Sign: ({ KeyId, Message, MessageType, SigningAlgorithm }) =>
      this.#usable(KeyId, (key) => {
        const digest = Buffer.from(String(Message), 'base64');
        if (MessageType !== 'DIGEST' || SigningAlgorithm !== algorithmOf[key.spec]) return undefined;
        if (digest.length !== (key.spec === 'ECC_NIST_P384' ? 48 : 32)) return undefined;
        const Signature = signDigest(key.privateKey, digest).toString('base64');
        return { KeyId: arn(key.id), Signature, SigningAlgorithm };
      }),

    DescribeKey: ({ KeyId }) => {
      const key = this.#find(KeyId);
      return key === undefined ? missing(KeyId) : { status: 200, body: { KeyMetadata: metadata(key) } };
    },

    ScheduleKeyDeletion: ({ KeyId, PendingWindowInDays }) => {
      const key = String(KeyId).startsWith('alias/') ? undefined : this.#find(KeyId);
      if (key === undefined) return missing(KeyId);
      if (PendingWindowInDays !== 7) return invalid('window');
      if (key.state === 'PendingDeletion') return refused('KMSInvalidStateException', `${key.id} is pending deletion.`);
      key.state = 'PendingDeletion';
      return { status: 200, body: { KeyId: arn(key.id), KeyState: key.state, PendingWindowInDays } };
    },

    DeleteAlias: ({ AliasName }) => (this.aliases.delete(String(AliasName)) ? { status: 200 } : missing(AliasName)),

    ListAliases: ({ Marker }) => {
      const all = [...this.aliases].map(([AliasName, TargetKeyId]) => ({ AliasName, TargetKeyId }));
      const { page, more } = this.#page(all, Marker);
      return { status: 200, body: { Aliases: page, ...more } };
    },

    ListKeys: ({ Marker }) => {
      const { page, more } = this.#page(
        [...this.keys.keys()].map((KeyId) => ({ KeyId, KeyArn: arn(KeyId) })),
        Marker,
      );
      return { status: 200, body: { Keys: page, ...more } };
    },
  };

  #page<T>(all: readonly T[], marker: unknown): { page: readonly T[]; more: object } {
    const start = Number(marker ?? 0);
    const end = start + this.pageSize;
    const more = end < all.length ? { Truncated: true, NextMarker: String(end) } : { Truncated: false };
    return { page: all.slice(start, end), more };
  }

  #find(keyId: unknown): Key | undefined {
    const id = String(keyId).replace(/^arn:.*:key\//, '');
    return this.keys.get(this.aliases.get(id) ?? id);
  }

  #usable(keyId: unknown, use: (key: Key) => object | undefined): Answer {
    const key = this.#find(keyId);
    if (key === undefined) return missing(keyId);
    if (key.state === 'Disabled') return refused('DisabledException', `${arn(key.id)} is disabled.`);
    if (key.state !== 'Enabled') return refused('KMSInvalidStateException', `${arn(key.id)} is pending deletion.`);
    const body = use(key);
    return body === undefined ? invalid('not in this test') : { status: 200, body };
  }
}

const arn = (id: string): string => `arn:aws:kms:${awsRegion}:111122223333:key/${id}`;
const metadata = ({ id, spec, description, state }: Key) => ({
  ...{ AWSAccountId: '111122223333', KeyId: id, Arn: arn(id), CreationDate: 1_795_000_000.1, KeySpec: spec },
  ...{ Enabled: state === 'Enabled', Description: description, KeyState: state, KeyUsage: 'SIGN_VERIFY' },
});

const refused = (type: string, message: string): Answer => ({ status: 400, body: { __type: type, message } });
const invalid = (what: string): Answer => refused('ValidationException', what);
const missing = (what: unknown): Answer => refused('NotFoundException', `${what} is not found.`);

const algorithmOf: Readonly<Record<string, string>> = {
  ECC_NIST_P256: 'ECDSA_SHA_256',
  ECC_NIST_P384: 'ECDSA_SHA_384',
  RSA_2048: 'RSASSA_PKCS1_V1_5_SHA_256',
  RSA_4096: 'RSASSA_PKCS1_V1_5_SHA_256',
};
