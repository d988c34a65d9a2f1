/**
 * A token service in the place of a cloud's: it judges with jose and Node's TLS what its documentation says that it judges, and
 * remembers what it was sent.
 */
import { X509Certificate } from 'node:crypto';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyResult, jwtVerify } from 'jose';
import { type Clouds, said, serverTls } from './stage.ts';

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly form: Readonly<Record<string, string>>;
  readonly body: string;
  readonly authorization: string | undefined;
  /** The client's certificate, where one was shown and leads to our root. */
  readonly certificate: X509Certificate | undefined;
}

export interface Reply {
  readonly status: number;
  readonly body: object;
}

export class TokenService implements AsyncDisposable {
  readonly seen: Seen[] = [];
  readonly #server: https.Server;

  private constructor(server: https.Server) {
    this.#server = server;
  }

  static async start(clouds: Clouds, answer: (seen: Seen) => Promise<Reply> | Reply): Promise<TokenService> {
    const { cert, key } = serverTls(clouds);
    const trust = { ca: await said(clouds, 'bundle', 'show'), requestCert: true, rejectUnauthorized: false };
    const service: TokenService = new TokenService(
      https.createServer({ cert, key, ...trust }, async (request, response) => {
        const body = await text(request);
        const seen = seenIn(request.socket as TLSSocket, request, body);
        service.seen.push(seen);
        const { status, body: reply } = await Promise.resolve(answer(seen)).catch((error: unknown) => ({
          status: 400,
          body: { error: 'invalid_grant', error_description: String(error) },
        }));
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(reply));
      }),
    );
    await new Promise<void>((resolve) => service.#server.listen(0, '127.0.0.1', resolve));
    return service;
  }

  get address(): string {
    return `https://localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function seenIn(
  socket: TLSSocket,
  {
    method = '',
    url = '',
    headers,
  }: { method?: string | undefined; url?: string | undefined; headers: Readonly<Record<string, unknown>> },
  body: string,
): Seen {
  const { raw } = socket.getPeerCertificate();
  const certificate = socket.authorized && raw !== undefined ? new X509Certificate(raw) : undefined;
  const form = Object.fromEntries(new URLSearchParams(body));
  return { method, path: url, form, body, authorization: headers['authorization'] as string | undefined, certificate };
}

/** By what the issuer serves, over TLS, as a cloud would. */
export async function verified(
  clouds: Clouds,
  token: string,
  rules: { readonly audience: string | string[]; readonly algorithms: string[] },
): Promise<JWTVerifyResult> {
  const { promise, resolve, reject } = Promise.withResolvers<JSONWebKeySet>();
  https
    .get(`${clouds.issuer}/keys`, { ca: serverTls(clouds).ca, agent: false }, async (response) =>
      resolve(JSON.parse(await text(response)) as JSONWebKeySet),
    )
    .on('error', reject);
  const result = await jwtVerify(token, createLocalJWKSet(await promise), {
    issuer: clouds.issuer,
    typ: 'JWT',
    ...rules,
  });
  if (result.protectedHeader.kid === undefined) throw new Error('no kid');
  return result;
}
