/**
 * Questions to a relying party: a cloud's token service, an authorisation server. It was named by whoever runs the
 * workload and is served by somebody else, so: https, or http on this machine alone; no redirect is followed, because a
 * token would travel with it; the answer has a size, a kind and a time; and what is told of it afterwards names the
 * endpoint and holds nothing that was sent. What fails in passing is tried again a few times, with pauses that grow and
 * differ.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { type Clock, sleep, systemClock } from '../runtime/clock.ts';
import { tlsCiphers } from '../runtime/http.ts';
import { type Random, systemRandom } from '../runtime/random.ts';
import { version } from '../runtime/version.ts';
import { faultOf } from './fault.ts';
import { ProxyError, type ProxyServer, proxyFor, tunnel } from './proxy.ts';
import { checkedUrl, nameOf, RelyingError, type RelyingReason } from './relying-url.ts';

export interface RelyingRequest {
  readonly url: string;
  /** POST where there is a body. */
  readonly method?: 'GET' | 'POST' | 'PUT';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly accepts: 'json' | 'xml';
  /** Certificates, PEM, that are believed instead of the system's. */
  readonly ca?: string | Buffer;
  /** Whom we show ourselves as, where the relying party asks for a certificate: PEM, leaf first. */
  readonly client?: { readonly certificates: string; readonly key: string };
  /** Keeps connections for those who ask often; one for each question where absent. */
  readonly agent?: http.Agent | https.Agent;
  /** For one attempt, from the look-up of the name to the last byte. */
  readonly timeoutMs?: number;
  readonly longestBody?: number;
  /** 1: once and not again, for a token that is taken once. */
  readonly attempts?: number;
  /** What this party says of a refusal, beyond what they all say; undefined where it says nothing. */
  readonly fault?: (body: string, headers: IncomingHttpHeaders) => string | undefined;
  /** Refusals of this party that pass by themselves; 429 and 5xx always do. */
  readonly passes?: (answer: RelyingAnswer) => boolean;
}

export interface RelyingAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface RelyingParts {
  readonly clock: Clock;
  readonly random: Random;
}

export const attemptMs = 10_000;
export const mostAttempts = 3;
/** The longest answers are tokens with their claims; a directory of groups may make them long. */
const longestBody = 256 * 1024;
const longestHeaders = 16 * 1024;
const firstPauseMs = 250;
const longestPauseMs = 4_000;

/**
 * The answer of a relying party that did what it was asked: status 2xx, the kind of content that was asked for, and no error
 * in it.
 * @throws IdentityError 'permission-denied' where it refuses, 'unavailable' where it cannot answer
 */
export async function askRelyingParty(
  request: RelyingRequest,
  signal: AbortSignal,
  parts: RelyingParts = { clock: systemClock, random: systemRandom },
): Promise<RelyingAnswer> {
  const url = checkedUrl(request.url);
  const attempts = request.attempts ?? mostAttempts;
  for (let attempt = 1; ; attempt++) {
    const [answer, error] = await attempted(url, request, signal, parts);
    if (error === undefined) return answer;
    if (!error.passes || attempt >= attempts) throw error;
    await sleep(parts.clock, pauseMs(attempt, answer, parts.random), signal);
  }
}

type Attempted = readonly [RelyingAnswer, undefined] | readonly [RelyingAnswer | undefined, RelyingError];

async function attempted(
  url: URL,
  request: RelyingRequest,
  signal: AbortSignal,
  { clock }: RelyingParts,
): Promise<Attempted> {
  const timeoutMs = request.timeoutMs ?? attemptMs;
  const proxy = proxyFor(url);
  const over = new AbortController();
  using _timer = clock.after(timeoutMs, () => over.abort());
  try {
    const patience = AbortSignal.any([signal, over.signal]);
    const through = proxy === undefined ? undefined : await tunnel(proxy, url, patience);
    const answer = await readAnswer(await send(url, request, patience, through), url, request);
    const error = judged(answer, url, request);
    return error === undefined ? [answer, undefined] : [answer, error];
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof RelyingError) return [undefined, error];
    const late = `did not answer within ${timeoutMs / 1000} s${proxy === undefined ? '' : `, asked through the proxy ${proxy.name}`}`;
    if (over.signal.aborted) return [undefined, away(url, late, 'relying-time')];
    return [
      undefined,
      proxy !== undefined && error instanceof ProxyError ? noWay(url, proxy, error) : explained(url, error as Error),
    ];
  }
}

function send(
  url: URL,
  request: RelyingRequest,
  signal: AbortSignal,
  socket: Socket | undefined,
): Promise<IncomingMessage> {
  const { body, client, ca, accepts, headers } = request;
  const { method = body === undefined ? 'GET' : 'POST' } = request;
  const agent = socket === undefined ? (request.agent ?? false) : false;
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const options = {
    ...{ method, signal, agent, maxHeaderSize: longestHeaders },
    headers: {
      ...{ accept: kinds[accepts], 'accept-encoding': 'identity', 'user-agent': `mayfly/${version}` },
      ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
      ...headers,
    },
  };
  const tls = {
    ...{ minVersion: 'TLSv1.2' as const, ciphers: tlsCiphers },
    ...(ca === undefined ? {} : { ca }),
    ...(client === undefined ? {} : { cert: client.certificates, key: client.key }),
    ...(socket === undefined ? {} : { socket }),
  };
  const asking =
    url.protocol === 'https:'
      ? https.request(url, { ...options, ...tls }, resolve)
      : http.request(url, options, resolve);
  asking.on('error', reject).end(body);
  return promise;
}

async function readAnswer(response: IncomingMessage, url: URL, request: RelyingRequest): Promise<RelyingAnswer> {
  const longest = request.longestBody ?? longestBody;
  const tooLong = `answers with more than ${longest} bytes`;
  try {
    if (Number(response.headers['content-length'] ?? 0) > longest) throw nonsense(url, tooLong, 'relying-size');
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > longest) throw nonsense(url, tooLong, 'relying-size');
      chunks.push(chunk);
    }
    const body = Buffer.concat(chunks).toString('utf8');
    return { status: response.statusCode ?? 0, headers: response.headers, body };
  } finally {
    response.destroy();
  }
}

/** What is wrong with an answer; undefined where nothing is. */
function judged(answer: RelyingAnswer, url: URL, request: RelyingRequest): RelyingError | undefined {
  const { status, headers, body } = answer;
  if (status >= 300 && status < 400) {
    return nonsense(url, `redirects (status ${status}), which is not followed: name the final URL`, 'relying-redirect');
  }
  const fault = faultOf(answer, request);
  const said = fault === undefined ? '' : `: ${fault}`;
  if (status < 200 || status >= 400) {
    const passes = status === 429 || status >= 500 || request.passes?.(answer) === true;
    const code = status === 429 || status >= 500 ? 'unavailable' : 'permission-denied';
    const about = { reason: 'relying-refusal', passes, status } as const;
    return new RelyingError(code, `${nameOf(url, '')} refuses with status ${status}${said}`, about);
  }
  const type = (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (type.includes('html') || /^\s*<(!doctype|html)/i.test(body.slice(0, 256))) {
    return nonsense(url, 'answers with a web page: it is not the endpoint, or something before it', 'relying-type');
  }
  if (fault === undefined) return undefined;
  const about = { reason: 'relying-refusal', status } as const;
  return new RelyingError(
    'permission-denied',
    `${nameOf(url, '')} answers with status ${status} and an error${said}`,
    about,
  );
}

function explained(url: URL, error: Error): RelyingError {
  const { code = '' } = error as NodeJS.ErrnoException;
  if (/CERT|SIGNATURE|ISSUER|ALTNAME|CRL|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH/.test(code)) {
    return nonsense(url, `shows a certificate that is not trusted (${code})`, 'relying-certificate');
  }
  if (code === 'HPE_HEADER_OVERFLOW')
    return nonsense(url, `answers with more than ${longestHeaders} bytes of headers`, 'relying-size');
  return away(
    url,
    `cannot be reached or does not speak ${url.protocol.slice(0, -1)} (${code || error.name})`,
    'relying-connection',
  );
}

function noWay(url: URL, { name }: ProxyServer, { message, status }: ProxyError): RelyingError {
  const about = { reason: 'relying-proxy', passes: status === 0 || status === 429 || status >= 500 } as const;
  return new RelyingError('unavailable', `no way to ${nameOf(url, '')}: the proxy ${name} ${message}`, about);
}

const nonsense = (url: URL, what: string, reason: RelyingReason): RelyingError =>
  new RelyingError('unavailable', `${nameOf(url, '')} ${what}`, { reason });

const away = (url: URL, what: string, reason: RelyingReason): RelyingError =>
  new RelyingError('unavailable', `${nameOf(url, '')} ${what}`, { reason, passes: true });

/** 250 ms, doubled each time, of which a part is chance; or what the party asks for, where that is not long. */
function pauseMs(attempt: number, answer: RelyingAnswer | undefined, random: Random): number {
  const asked = Number(answer?.headers['retry-after']) * 1_000;
  const grown = firstPauseMs * 2 ** (attempt - 1);
  const least = Number.isFinite(asked) ? Math.max(asked, grown) : grown;
  return Math.min(least * (1 + random.fraction()), longestPauseMs);
}

const kinds = { json: 'application/json', xml: 'text/xml, application/xml' } as const;
