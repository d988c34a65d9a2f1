/**
 * The one outbound fetcher (R-NET-3). What it asks for was named by an operator and is served by a stranger, so: https
 * alone; the address is checked and then connected to, with no second look-up in between; no redirect is followed; and
 * headers, body, kind of content and the time for all of it have limits. Whatever the other side does costs it one
 * refused answer and us one connection.
 */
import type { IncomingMessage } from 'node:http';
import { type RequestOptions, request } from 'node:https';
import type { LookupFunction } from 'node:net';
import { IdentityError } from '../errors.ts';
import { isPermitted } from './addresses.ts';
import type { Clock } from './clock.ts';
import { type Resolve, resolveHost } from './resolve.ts';
import { version } from './version.ts';

/** Who may be at the other end: what `node:tls` calls these. */
export type Trust = Pick<RequestOptions, 'ca' | 'checkServerIdentity' | 'allowPartialTrustChain'>;

export interface Question {
  readonly url: string;
  readonly trust: Trust;
  /** The one kind of content that is taken, as in 'application/json'; whatever comes where it is not of interest. */
  readonly contentType?: string;
  /** GET without a body where it is absent. */
  readonly send?: Sending;
  readonly longestBody: number;
  /** The operator says that this host may have a private or a loopback address. */
  readonly privateAddresses: boolean;
  readonly signal: AbortSignal;
}

export interface Sending {
  readonly method: 'PUT' | 'PATCH';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface FetcherParts {
  readonly clock: Clock;
  readonly resolve?: Resolve;
}

export type Fetcher = (question: Question) => Promise<Buffer>;

export type FetchReason =
  | 'fetch-url'
  | 'fetch-name'
  | 'fetch-address'
  | 'fetch-connection'
  | 'fetch-certificate'
  | 'fetch-redirect'
  | 'fetch-status'
  | 'fetch-type'
  | 'fetch-size'
  | 'fetch-time';

/** From the first look-up to the last byte. */
export const totalMs = 10_000;
const longestHeaders = 16 * 1024;
/** Mozilla's intermediate recommendation: forward secrecy and authenticated encryption, no more (FD-03). */
export const tlsCiphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

export const fetcher =
  ({ clock, resolve = resolveHost }: FetcherParts): Fetcher =>
  async (question) => {
    const url = new URL(question.url);
    if (url.protocol !== 'https:') throw refusal('fetch-url', 'it is not an https URL');
    const over = new AbortController();
    using _timer = clock.after(totalMs, () => over.abort(late()));
    const signal = AbortSignal.any([question.signal, over.signal]);
    try {
      const addresses = permitted(await resolve(url.hostname, signal), question);
      return await read(await ask(url, addresses, question, signal), question);
    } catch (error) {
      if (over.signal.aborted) throw over.signal.reason;
      question.signal.throwIfAborted();
      throw explained(error);
    }
  };

function permitted(addresses: readonly string[], { privateAddresses }: Question): readonly string[] {
  const usable = addresses.filter((address) => isPermitted(address, privateAddresses));
  if (usable.length > 0) return usable;
  const advice = privateAddresses ? '' : '; where that is meant to be, allow private addresses for this endpoint';
  throw refusal('fetch-address', `its address ${addresses[0]} is not one of the public internet${advice}`);
}

function ask(
  url: URL,
  addresses: readonly string[],
  { trust, contentType = '*/*', send }: Question,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const options: RequestOptions = {
      ...trust,
      agent: false,
      signal,
      lookup: pinned(addresses),
      maxHeaderSize: longestHeaders,
      minVersion: 'TLSv1.2',
      ciphers: tlsCiphers,
      method: send?.method ?? 'GET',
      headers: {
        ...{ accept: contentType, 'accept-encoding': 'identity', 'user-agent': `mayfly/${version}` },
        ...(send === undefined ? {} : { ...send.headers, 'content-length': send.body.length }),
      },
    };
    request(url, options, resolve).on('error', reject).end(send?.body);
  });
}

/** The addresses that were checked are those that are connected to: a name server has no second say. */
const pinned = (addresses: readonly string[]): LookupFunction => {
  const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  return (_hostname, { all }, done) =>
    all === true ? done(null, found) : done(null, found[0]?.address ?? '', found[0]?.family);
};

async function read(response: IncomingMessage, question: Question): Promise<Buffer> {
  const { longestBody } = question;
  try {
    checkHead(response, question);
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > longestBody) throw tooLong(longestBody);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } finally {
    response.destroy();
  }
}

function checkHead({ statusCode = 0, headers }: IncomingMessage, { contentType, longestBody, send }: Question): void {
  if (statusCode >= 300 && statusCode < 400) {
    const where = JSON.stringify((headers.location ?? '').slice(0, 256));
    throw refusal('fetch-redirect', `it redirects to ${where}, which is not followed: configure the final URL`);
  }
  const done = statusCode === 200 || (send !== undefined && statusCode > 200 && statusCode < 300);
  if (!done) throw refusal('fetch-status', `it answers with status ${statusCode}`);
  const type = (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (contentType !== undefined && type !== contentType) {
    throw refusal('fetch-type', `its content type is ${JSON.stringify(type.slice(0, 64))} and not ${contentType}`);
  }
  if (headers['content-encoding'] !== undefined) throw refusal('fetch-type', 'its content is compressed');
  if (Number(headers['content-length'] ?? 0) > longestBody) throw tooLong(longestBody);
}

function explained(error: unknown): unknown {
  if (error instanceof IdentityError || !(error instanceof Error)) return error;
  const { code = '' } = error as NodeJS.ErrnoException;
  // Of OpenSSL's verdicts only some have a common beginning; all are told as the connection's own error.
  const judged = /CERT|SIGNATURE|ISSUER|ALTNAME|CRL|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH/.test(code);
  if (judged) return refusal('fetch-certificate', `its certificate is not trusted (${code})`, error);
  if (code === 'HPE_HEADER_OVERFLOW') return refusal('fetch-size', `its headers exceed ${longestHeaders} bytes`, error);
  return refusal('fetch-connection', `it cannot be reached or does not speak HTTPS (${code || error.message})`, error);
}

const tooLong = (longest: number): IdentityError => refusal('fetch-size', `its answer exceeds ${longest} bytes`);
const late = (): IdentityError => refusal('fetch-time', `it did not answer within ${totalMs / 1000} s`);

const refusal = (reason: FetchReason, fault: string, cause?: unknown): IdentityError =>
  new IdentityError('unavailable', fault, { reason, cause });
