/**
 * The proxy between here and the world, where a site has one: named by the variables that other programs obey. All that it
 * does is connect (RFC 9110 section 9.3.6): TLS is spoken with the relying party through it, so it sees names and no token.
 */
import http from 'node:http';
import https from 'node:https';
import { BlockList, isIP, type Socket } from 'node:net';
import { IdentityError } from '../errors.ts';
import { environment } from '../runtime/environment.ts';

/** Where it is, and what shows that we may use it; the latter is never told to anybody else. */
export interface ProxyServer {
  /** Without name and password. */
  readonly name: string;
  readonly url: URL;
  readonly authorization: string | undefined;
}

/** Why there is no tunnel. */
export class ProxyError extends Error {
  /** 0 where the proxy did not answer. */
  readonly status: number;

  constructor(message: string, status = 0) {
    super(message);
    this.status = status;
  }
}

const longestHeaders = 16 * 1024;

/** @throws IdentityError where the variable holds something else than the URL of a proxy */
export function proxyFor(target: URL, { httpsProxy: text, noProxy } = environment.proxy()): ProxyServer | undefined {
  if (target.protocol !== 'https:' || text === undefined || isExempt(target, noProxy)) return undefined;
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.hostname === '') {
    const rule = 'HTTPS_PROXY is not the URL of an HTTP proxy: write http://host:port';
    throw new IdentityError('invalid-argument', rule, { reason: 'relying-proxy' });
  }
  const who = [url.username, url.password].map(decoded).join(':');
  const authorization = who === ':' ? undefined : `Basic ${Buffer.from(who).toString('base64')}`;
  return { name: url.origin, url, authorization };
}

/** A connection through the proxy to the target, over which nothing has been said yet. @throws ProxyError */
export function tunnel({ url, authorization }: ProxyServer, target: URL, signal: AbortSignal): Promise<Socket> {
  const to = `${target.hostname}:${target.port || '443'}`;
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const client = url.protocol === 'https:' ? https : http;
  const asking = client.request({
    ...{ method: 'CONNECT', path: to, agent: false, signal, maxHeaderSize: longestHeaders },
    ...{ hostname: bare(url.hostname), port: url.port || (url.protocol === 'https:' ? 443 : 80) },
    // Its own name, which Node would take from the header of the request: that has the target's.
    servername: isIP(bare(url.hostname)) === 0 ? url.hostname : '',
    headers: { host: to, ...(authorization === undefined ? {} : { 'proxy-authorization': authorization }) },
  });
  asking.once('connect', (response, socket, head) => {
    const { statusCode = 0 } = response;
    // The server speaks second in TLS: whatever comes before is not its.
    if (statusCode >= 200 && statusCode < 300 && head.length === 0) return resolve(socket as Socket);
    socket.destroy();
    reject(new ProxyError(refusal(statusCode), statusCode));
  });
  asking.once('response', (response) => {
    response.destroy();
    reject(new ProxyError('answers as a web server does, and not as a proxy', response.statusCode));
  });
  asking.once('error', (error: NodeJS.ErrnoException) => {
    reject(new ProxyError(`cannot be reached or does not speak ${url.protocol.slice(0, -1)} (${error.code})`));
  });
  asking.end();
  return promise;
}

function refusal(status: number): string {
  if (status === 407)
    return 'wants a name and a password, or others (status 407): write http://name:password@host:port';
  if (status >= 200 && status < 300) return 'speaks before the server does: it is no proxy for TLS';
  return `refuses to connect with status ${status}`;
}

/** As most programs read NO_PROXY: `*`; a host, its subdomains with it; an address or a network; each with a port or without. */
function isExempt({ hostname, port }: URL, noProxy = ''): boolean {
  const host = bare(hostname);
  if (host === 'localhost' || loopback.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4')) return true;
  const rules = noProxy.toLowerCase().split(/[\s,]+/);
  return rules.some((rule) => rule !== '' && fits(rule, host, port || '443'));
}

function fits(rule: string, host: string, port: string): boolean {
  if (rule === '*') return true;
  const [, name = '', only] = /^(\[[^\]]*\]|[^:]*|[^[]*:[^[]*:[^[]*?)(?::(\d+))?$/.exec(rule) ?? [];
  if (only !== undefined && only !== port) return false;
  const [address = '', length] = bare(name).split('/');
  const kind = isIP(host);
  if (isIP(address) !== 0) return kind !== 0 && within(host, address, length);
  const suffix = name.replace(/^\*?\./, '');
  return kind === 0 ? suffix !== '' && (host === suffix || host.endsWith(`.${suffix}`)) : host === name;
}

function within(host: string, address: string, length: string | undefined): boolean {
  const [family, bits] = isIP(address) === 6 ? (['ipv6', 128] as const) : (['ipv4', 32] as const);
  const prefix = Number(length ?? bits);
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > bits) return false;
  const network = new BlockList();
  network.addSubnet(address, prefix, family);
  return network.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4');
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, '');

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
