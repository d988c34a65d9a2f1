/** What Google Cloud KMS answers to the calls that we make (v1, REST), and what of a request it insists on. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { crc32c } from '../../src/runtime/crc32c.ts';
import { type Answer, type Asked, JsonServer } from './json-server.ts';
import { pairOf, signDigest } from './sign-digest.ts';

interface Key {
  readonly name: string;
  readonly algorithm: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  labels: Readonly<Record<string, string>>;
  state: 'PENDING_GENERATION' | 'ENABLED' | 'DISABLED' | 'DESTROY_SCHEDULED';
}
type Body = Readonly<Record<string, Record<string, unknown> & string>>;

export const gcpKeyRing = 'projects/p/locations/europe-north1/keyRings/mayfly';

/** A service account of nobody's: its key signs what is sent as a bearer token. */
export function gcpEnvironment(path: string): { readonly GOOGLE_APPLICATION_CREDENTIALS: string } {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const account = {
    ...{ type: 'service_account', project_id: 'p', private_key_id: '1', client_id: '1' },
    ...{ client_email: 'mayfly@p.iam.gserviceaccount.com', token_uri: 'https://oauth2.googleapis.com/token' },
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  };
  writeFileSync(path, JSON.stringify(account), { mode: 0o600 });
  return { GOOGLE_APPLICATION_CREDENTIALS: path };
}

export class FakeGcpKms implements AsyncDisposable {
  readonly keys = new Map<string, Key>();
  /** How often a new key is asked for before it is there. */
  generationSteps = 0;
  /** Changes one byte of what is signed or answered, as a bad memory would. */
  corrupt: 'digest' | 'signature' | 'pem' | undefined;
  #server: JsonServer | undefined;

  static async start(): Promise<FakeGcpKms> {
    const kms = new FakeGcpKms();
    kms.#server = await JsonServer.start((asked) => kms.#answer(asked));
    return kms;
  }

  get server(): JsonServer {
    if (this.#server === undefined) throw new Error('not started');
    return this.#server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
  }

  #answer({ method, url, headers, text }: Asked): Answer {
    if (url.searchParams.get('$alt') !== 'json;enum-encoding=int') return invalid('encoding');
    if (!/^Bearer ey/.test(headers.authorization ?? '')) return refused(401, 'UNAUTHENTICATED', 'no token');
    const route = new RegExp(`^/v1/${gcpKeyRing}/cryptoKeys(?:/([\\w-]{1,63}))?(/cryptoKeyVersions/1)?([:/]\\w+)?$`);
    const parts = route.exec(decodeURIComponent(url.pathname));
    if (parts === null) return refused(404, 'NOT_FOUND', url.pathname);
    const [, id, version, verb] = parts;
    const body: Body = text === '' ? {} : JSON.parse(text);
    if (id === undefined) return method === 'POST' ? this.#create(url, body) : this.#list(url);
    const key = this.keys.get(id);
    if (key === undefined) return refused(404, 'NOT_FOUND', `CryptoKey ${id} not found.`);
    if (version === undefined) return this.#label(key, method, url, body);
    if (verb === '/publicKey') return this.#publicKey(key);
    if (verb === ':asymmetricSign') return this.#sign(key, body);
    return verb === ':destroy' ? this.#destroy(key) : this.#version(key);
  }

  #create(url: URL, body: Body): Answer {
    const id = url.searchParams.get('cryptoKeyId') ?? '';
    const template = body['versionTemplate'];
    const algorithm = algorithms.get(Number(template?.['algorithm']));
    if (this.keys.has(id)) return refused(409, 'ALREADY_EXISTS', `CryptoKey ${id} already exists.`);
    if (Number(body['purpose']) !== 5 || template?.['protectionLevel'] !== 2)
      return invalid('ASYMMETRIC_SIGN in an HSM');
    if (algorithm === undefined) return invalid('algorithm');
    const bits = Number(/(256|384|2048|4096)_/.exec(algorithm)?.[1]);
    const name = `${gcpKeyRing}/cryptoKeys/${id}`;
    const labels = (body['labels'] ?? {}) as Readonly<Record<string, string>>;
    this.keys.set(id, { name, algorithm, ...pairOf(bits), labels, state: 'PENDING_GENERATION' });
    return { status: 200, body: { name, purpose: 'ASYMMETRIC_SIGN', labels } };
  }

  #list(url: URL): Answer {
    const [, label = '', value] = /^labels\.(\w+)=(\w+)$/.exec(url.searchParams.get('filter') ?? '') ?? [];
    const all = [...this.keys.values()].filter(({ labels }) => labels[label] === value);
    const start = Number(url.searchParams.get('pageToken') ?? 0);
    const more = start + 2 < all.length ? { nextPageToken: String(start + 2) } : {};
    const cryptoKeys = all.slice(start, start + 2).map(({ name, labels }) => ({ name, labels }));
    return { status: 200, body: { cryptoKeys, totalSize: all.length, ...more } };
  }

  #label(key: Key, method: string, url: URL, body: Body): Answer {
    if (method === 'GET') return { status: 200, body: { name: key.name, labels: key.labels } };
    if (method !== 'PATCH' || url.searchParams.get('updateMask') !== 'labels') return invalid('update');
    key.labels = (body['labels'] ?? {}) as Readonly<Record<string, string>>;
    return { status: 200, body: { name: key.name, labels: key.labels } };
  }

  #version(key: Key): Answer {
    if (key.state === 'PENDING_GENERATION' && this.generationSteps-- <= 0) key.state = 'ENABLED';
    const { state } = key;
    return { status: 200, body: { name: `${key.name}/cryptoKeyVersions/1`, state: states[state] } };
  }

  #destroy(key: Key): Answer {
    if (key.state === 'DESTROY_SCHEDULED') return refused(400, 'FAILED_PRECONDITION', 'is scheduled for destruction');
    key.state = 'DESTROY_SCHEDULED';
    return this.#version(key);
  }

  #publicKey(key: Key): Answer {
    if (key.state !== 'ENABLED')
      return refused(400, 'FAILED_PRECONDITION', `is not enabled, current state is: ${key.state}.`);
    const pem = String(key.publicKey.export({ type: 'spki', format: 'pem' }));
    const sent = this.corrupt === 'pem' ? pem.replace('\n', '\n\n') : pem;
    const about = { name: `${key.name}/cryptoKeyVersions/1` };
    return { status: 200, body: { pem: sent, pemCrc32c: String(crc32c(Buffer.from(pem))), ...about } };
  }

  #sign(key: Key, body: Body): Answer {
    if (key.state !== 'ENABLED')
      return refused(400, 'FAILED_PRECONDITION', `is not enabled, current state is: ${key.state}.`);
    const hash = key.algorithm.endsWith('SHA384') ? 'sha384' : 'sha256';
    const digest = Buffer.from(String(body['digest']?.[hash]), 'base64');
    if (digest.length !== (hash === 'sha384' ? 48 : 32)) return invalid('digest');
    if (this.corrupt === 'digest') digest[0] = (digest[0] ?? 0) ^ 1;
    const verifiedDigestCrc32c = String(body['digestCrc32c']) === String(crc32c(digest));
    const signature = signDigest(key.privateKey, digest);
    const signatureCrc32c = String(crc32c(signature));
    if (this.corrupt === 'signature') signature[10] = (signature[10] ?? 0) ^ 1;
    const name = `${key.name}/cryptoKeyVersions/1`;
    return {
      status: 200,
      body: {
        signature: signature.toString('base64'),
        signatureCrc32c,
        verifiedDigestCrc32c,
        name,
        protectionLevel: 'HSM',
      },
    };
  }
}

/** The SDK sends numbers for names, and asks for numbers (`$alt=json;enum-encoding=int`). */
const algorithms: ReadonlyMap<number, string> = new Map([
  [5, 'RSA_SIGN_PKCS1_2048_SHA256'],
  [7, 'RSA_SIGN_PKCS1_4096_SHA256'],
  [12, 'EC_SIGN_P256_SHA256'],
  [13, 'EC_SIGN_P384_SHA384'],
]);
const states = { ENABLED: 1, DISABLED: 2, DESTROYED: 3, DESTROY_SCHEDULED: 4, PENDING_GENERATION: 5 } as const;

const refused = (status: number, name: string, message: string): Answer => ({
  status,
  body: { error: { code: status, message, status: name } },
});
const invalid = (what: string): Answer => refused(400, 'INVALID_ARGUMENT', what);
