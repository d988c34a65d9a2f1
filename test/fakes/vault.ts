/**
 * What Vault's and OpenBao's transit engine answers to the calls that we make, from recordings, over HTTPS; and what of a
 * request it insists on.
 */
import type { KeyObject } from 'node:crypto';
import { type Answer, type Asked, JsonServer } from './json-server.ts';
import type { LocalTls } from './local-tls.ts';
import { pairOf, signDigest } from './sign-digest.ts';

interface Key {
  readonly type: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  deletionAllowed: boolean;
}

export class FakeVault implements AsyncDisposable {
  readonly keys = new Map<string, Key>();
  token = 'hvs.testing';
  /** Who may log in, by a JWT or by what a client certificate is made out to; each login has another token. */
  readonly members = new Map<string, string>();
  leaseSeconds = 3600;
  logins = 0;
  #server: JsonServer | undefined;

  static async start(tls: LocalTls): Promise<FakeVault> {
    const vault = new FakeVault();
    vault.#server = await JsonServer.start((asked) => vault.#answer(asked), tls);
    return vault;
  }

  get server(): JsonServer {
    if (this.#server === undefined) throw new Error('not started');
    return this.#server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
  }

  #answer({ method, url, headers, text, shown }: Asked): Answer {
    if (url.pathname.startsWith('/v1/auth/')) return this.#logIn(url.pathname, text, shown);
    if (headers['x-vault-token'] !== this.token) return refused(403, 'permission denied');
    const route = /^\/v1\/transit\/(keys|sign)(?:\/([\w.-]+))?(?:\/([\w-]+))?$/.exec(url.pathname);
    if (route === null) return refused(404, `no handler for route "${url.pathname}". route entry not found.`);
    const [, kind, name = '', rest] = route;
    const body: Record<string, unknown> = text === '' ? {} : JSON.parse(text);
    if (kind === 'sign') return this.#sign(name, rest, body);
    if (name === '') return this.#list(url);
    if (rest === 'config') return this.#configure(name, body);
    if (method === 'POST') return this.#create(name, body);
    if (method === 'DELETE') return this.#delete(name);
    return this.#read(name);
  }

  #logIn(path: string, text: string, shown: string | undefined): Answer {
    const { role, jwt, name }: Record<string, string> = JSON.parse(text);
    const proof = path === '/v1/auth/jwt/login' ? jwt : path === '/v1/auth/cert/login' ? shown : undefined;
    if (proof === undefined || this.members.get(proof) !== (role ?? name)) return refused(400, 'permission denied');
    this.token = `hvs.login-${++this.logins}`;
    const auth = { client_token: this.token, policies: ['mayfly'], lease_duration: this.leaseSeconds, renewable: true };
    return { status: 200, body: { request_id: 'recorded', auth } };
  }

  #list(url: URL): Answer {
    if (url.searchParams.get('list') !== 'true') return refused(405, 'unsupported operation');
    return this.keys.size === 0 ? { status: 404, body: { errors: [] } } : data({ keys: [...this.keys.keys()] });
  }

  #create(name: string, body: Record<string, unknown>): Answer {
    if (body['exportable'] !== false || body['allow_plaintext_backup'] !== false)
      return refused(400, 'not in this test');
    const type = String(body['type']);
    if (!this.keys.has(name))
      this.keys.set(name, { type, ...pairOf(Number(/\d+$/.exec(type)?.[0])), deletionAllowed: false });
    return this.#read(name);
  }

  #read(name: string): Answer {
    const key = this.keys.get(name);
    if (key === undefined) return { status: 404, body: { errors: [] } };
    const { type, deletionAllowed } = key;
    const public_key = key.publicKey.export({ type: 'spki', format: 'pem' });
    const version = { certificate_chain: '', creation_time: '2026-11-26T07:00:00.000000Z', name: type, public_key };
    return data({
      name,
      type,
      deletion_allowed: deletionAllowed,
      exportable: false,
      keys: { 1: version },
      latest_version: 1,
    });
  }

  #configure(name: string, body: Record<string, unknown>): Answer {
    const key = this.keys.get(name);
    if (key === undefined) return refused(400, `no existing key named ${name} could be found`);
    key.deletionAllowed = body['deletion_allowed'] === true;
    return this.#read(name);
  }

  #delete(name: string): Answer {
    const key = this.keys.get(name);
    if (key === undefined) return refused(400, 'could not delete key; not found');
    if (!key.deletionAllowed) return refused(400, 'deletion is not allowed for this key');
    this.keys.delete(name);
    return { status: 204 };
  }

  #sign(name: string, hash: string | undefined, body: Record<string, unknown>): Answer {
    const key = this.keys.get(name);
    if (key === undefined) return refused(400, 'signing key not found');
    const digest = Buffer.from(String(body['input']), 'base64');
    const wanted = key.type === 'ecdsa-p384' ? ['sha2-384', 48] : ['sha2-256', 32];
    if (hash !== wanted[0] || digest.length !== wanted[1]) return refused(400, 'hash and input do not fit');
    if (body['prehashed'] !== true || body['key_version'] !== 1) return refused(400, 'not in this test');
    if (key.type.startsWith('ecdsa') && body['marshaling_algorithm'] !== 'asn1')
      return refused(400, 'not in this test');
    if (key.type.startsWith('rsa') && body['signature_algorithm'] !== 'pkcs1v15')
      return refused(400, 'not in this test');
    const signature = signDigest(key.privateKey, digest).toString('base64');
    return data({ key_version: 1, signature: `vault:v1:${signature}` });
  }
}

const data = (content: object): Answer => ({ status: 200, body: { request_id: 'r', lease_id: '', data: content } });
const refused = (status: number, error: string): Answer => ({ status, body: { errors: [error] } });
