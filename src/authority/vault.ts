/** One engine of HashiCorp Vault or OpenBao, asked over HTTPS. */
import { z } from 'zod';
import { IdentityError } from '../errors.ts';
import { type JsonAnswer, type JsonApiSettings, type JsonRequest, jsonApi } from '../runtime/json-api.ts';
import { type VaultAuth, type VaultTokens, vaultTokens } from './vault-login.ts';

export interface VaultAccess extends JsonApiSettings {
  /** Where the engine is mounted. */
  readonly mount: string;
  readonly namespace?: string | undefined;
  /** A token that somebody keeps for us, or how we get one. */
  readonly auth: VaultAuth;
}

export class Vault {
  readonly place: string;
  readonly #settings: VaultAccess;
  readonly #api: ReturnType<typeof jsonApi>;
  readonly #tokens: VaultTokens;

  constructor(settings: VaultAccess) {
    this.place = `${settings.address} (${settings.mount})`;
    this.#settings = settings;
    this.#api = jsonApi(settings);
    this.#tokens = vaultTokens(settings.auth, settings);
  }

  /** Undefined where the answer is that there is no such thing. */
  async ask<T>(shape: z.ZodType<T>, request: JsonRequest): Promise<T | undefined> {
    const { status, body } = await this.#send(request);
    if (status >= 200 && status < 300) return this.#read(shape, body ?? {});
    const { data } = failed.safeParse(body);
    const faults = data?.errors.join('; ').slice(0, longestFault) ?? '';
    if ((status === 404 && faults === '') || (status === 400 && faults.includes('key not found'))) return undefined;
    throw vaultRefusal(this.place, status, faults);
  }

  /** A token that was taken back before its end is followed by another, once. */
  async #send(request: JsonRequest): Promise<JsonAnswer> {
    const token = await this.#tokens.token();
    const answer = await this.#sendWith(token, request);
    if (answer.status !== 403 || !this.#tokens.forget(token)) return answer;
    return this.#sendWith(await this.#tokens.token(), request);
  }

  #sendWith(token: string, { method, path, body }: JsonRequest): Promise<JsonAnswer> {
    const { mount, namespace } = this.#settings;
    const headers = {
      'x-vault-request': 'true',
      'x-vault-token': token,
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

export function vaultRefusal(place: string, status: number, faults: string): IdentityError {
  const advice =
    status === 403
      ? 'the token has ended or its policy does not allow it, see docs/operate/keys.md'
      : 'see its own log; it may be sealed, or the mount may be another';
  return new IdentityError('unavailable', `${place} refuses with status ${status} (${faults}): ${advice}`, {
    reason: status === 403 ? 'upstream-refuses' : 'upstream-fails',
  });
}

const longestFault = 200;

const failed = z.object({ errors: z.array(z.string()) });
