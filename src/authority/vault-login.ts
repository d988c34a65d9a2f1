/** What Vault and OpenBao know us by: a token that somebody keeps in a file, or one that we log in for ourselves. */
import { z } from 'zod';
import { IdentityError } from '../errors.ts';
import { elapsed } from '../runtime/clock.ts';
import { readPrivateFile, readSharedFile } from '../runtime/files.ts';
import { type JsonApiSettings, type JsonRequest, jsonApi } from '../runtime/json-api.ts';
import { secretIn } from './secret-file.ts';

/** A JWT-SVID is shown, or the client certificate of an X.509-SVID; whoever keeps the files fresh need not tell us. */
export type VaultLogin = { readonly mount: string; readonly role: string } & (
  | { readonly jwtFile: string }
  | { readonly certificateFile: string; readonly keyFile: string }
);

export type VaultAuth = { readonly tokenFile: string } | { readonly login: VaultLogin };

export interface VaultTokens {
  /** For the next call. */
  token(): Promise<string>;
  /** It was refused. @returns whether another one may be had, and the call be tried once more */
  forget(token: string): boolean;
}

export interface VaultServer extends JsonApiSettings {
  readonly namespace?: string | undefined;
}

export const vaultTokens = (auth: VaultAuth, server: VaultServer): VaultTokens =>
  'login' in auth ? new LoginTokens(auth.login, server) : tokensIn(auth.tokenFile);

/** Read for each call: it may be another one by now. */
const tokensIn = (path: string): VaultTokens => ({ token: async () => secretIn(path), forget: () => false });

/** Of a token's life; what is left of it is for a login that has to be tried again. */
const usedShare = 2 / 3;
/** A token without an end is not kept for ever either. */
const longestMs = 3_600_000;

/** One token for all calls, until two thirds of its life or until it is refused. */
class LoginTokens implements VaultTokens {
  readonly #login: VaultLogin;
  readonly #server: VaultServer;
  #held: { readonly token: string; readonly until: number } | undefined;
  #underWay: Promise<string> | undefined;

  constructor(login: VaultLogin, server: VaultServer) {
    this.#login = login;
    this.#server = server;
  }

  async token(): Promise<string> {
    if (this.#held !== undefined && elapsed() < this.#held.until) return this.#held.token;
    this.#underWay ??= this.#logIn().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  forget(token: string): boolean {
    if (this.#held?.token === token) this.#held = undefined;
    return true;
  }

  async #logIn(): Promise<string> {
    const { mount } = this.#login;
    const place = `${this.#server.address} (auth/${mount})`;
    const { namespace } = this.#server;
    const { request, client } = shown(this.#login);
    const headers = {
      'x-vault-request': 'true',
      ...(namespace === undefined ? {} : { 'x-vault-namespace': namespace }),
    };
    const { status, body } = await jsonApi({ ...this.#server, client })({ ...request, headers });
    const { data } = loggedIn.safeParse(body);
    if (status !== 200 || data === undefined) throw refusal(place, status, body);
    const { client_token: token, lease_duration: seconds } = data.auth;
    const life = seconds === 0 ? longestMs : Math.min(seconds * 1000, longestMs);
    this.#held = { token, until: elapsed() + life * usedShare };
    return token;
  }
}

function shown(login: VaultLogin): { readonly request: JsonRequest; readonly client: JsonApiSettings['client'] } {
  const { mount, role } = login;
  const request = (body: object): JsonRequest => ({ method: 'POST', path: `/v1/auth/${mount}/login`, body });
  if ('jwtFile' in login) {
    const jwt = readSharedFile(login.jwtFile, longestFile).trim();
    return { request: request({ role, jwt }), client: undefined };
  }
  const { certificateFile, keyFile } = login;
  const cert = Buffer.from(readSharedFile(certificateFile, longestFile));
  const client = { cert, key: readPrivateFile(keyFile, longestFile) };
  return { request: request({ name: role }), client };
}

const longestFile = 64 * 1024;

/** What was shown is in no message. */
function refusal(place: string, status: number, body: unknown): IdentityError {
  const said = failed.safeParse(body).data?.errors.join('; ').slice(0, longestFault) ?? '';
  const message = `${place} refuses the login with status ${status} (${said}): check the role, and that what is shown has not ended`;
  return new IdentityError('unavailable', message, { reason: 'upstream-refuses' });
}

const longestFault = 200;
const failed = z.object({ errors: z.array(z.string()) });
const loggedIn = z.object({
  auth: z.object({ client_token: z.string().min(1).max(4096), lease_duration: z.number().min(0) }),
});
