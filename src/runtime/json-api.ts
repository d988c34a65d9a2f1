/**
 * Calls to a JSON API over HTTPS, of a service that this issuer depends on: it may be slow, away, or answer nonsense, and
 * none of that may hold us up or fill our memory. Redirects are not followed.
 */
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { IdentityError } from '../errors.ts';
import { storageError } from './files.ts';

export interface JsonApiSettings {
  /** `https://…`, or `http://` on a loopback address. */
  readonly address: string;
  /** Certificates, PEM, that are believed instead of the system's. */
  readonly caFile?: string | undefined;
  readonly timeoutMs: number;
  /** Shown to the service, PEM; then no connection is kept for another call. */
  readonly client?: { readonly cert: Buffer; readonly key: Buffer } | undefined;
}

export interface JsonRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
}

export interface JsonAnswer {
  readonly status: number;
  /** Undefined where there is no body, or it is not JSON. */
  readonly body: unknown;
}

export type JsonApi = (request: JsonRequest) => Promise<JsonAnswer>;

/** A list of some thousand keys fits. */
const longestAnswer = 1024 * 1024;
const mostConnections = 16;

/** @throws IdentityError 'unavailable', from each call, when there is no answer */
export function jsonApi({ address, caFile, timeoutMs, client }: JsonApiSettings): JsonApi {
  const url = new URL(address);
  const ca = caFile === undefined ? undefined : readCertificates(caFile);
  const pool = { keepAlive: client === undefined, maxSockets: mostConnections, scheduling: 'lifo' } as const;
  const tls = { minVersion: 'TLSv1.2' as const, ...(ca === undefined ? {} : { ca }), ...client };
  const secure = url.protocol === 'https:';
  const agent = secure ? new https.Agent({ ...pool, ...tls }) : new http.Agent(pool);
  const base = url.pathname.replace(/\/$/, '');
  return ({ method, path, headers, body }) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const signal = AbortSignal.timeout(timeoutMs);
    const about = text === undefined ? {} : { 'content-type': 'application/json', 'content-length': byteLength(text) };
    const options = { agent, method, signal, headers: { accept: 'application/json', ...about, ...headers } };
    const { promise, resolve, reject } = Promise.withResolvers<JsonAnswer>();
    const target = new URL(`${base}${path}`, url);
    const request = (secure ? https : http).request(target, options, (response) => {
      readAnswer(response).then(resolve, reject);
    });
    request.on('error', reject);
    request.end(text);
    return promise.catch((cause: Error) => {
      throw new IdentityError('unavailable', `${url.origin} does not answer (${inWords(cause, timeoutMs)})`, {
        cause,
        reason: 'upstream-away',
      });
    });
  };
}

async function readAnswer(response: http.IncomingMessage): Promise<JsonAnswer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > longestAnswer) throw new Error(`it answers with more than ${longestAnswer} bytes`);
    parts.push(part);
  }
  return { status: response.statusCode ?? 0, body: parseOrUndefined(Buffer.concat(parts).toString('utf8')) };
}

function parseOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readCertificates(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw storageError(error, `cannot read the certificates in ${path}`);
  }
}

const byteLength = (text: string): string => String(Buffer.byteLength(text));

const inWords = (error: Error, timeoutMs: number): string =>
  error.name === 'TimeoutError' || error.name === 'AbortError'
    ? `nothing within ${timeoutMs} ms`
    : ((error as NodeJS.ErrnoException).code ?? error.message);
