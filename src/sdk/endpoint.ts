import { realpath, stat } from 'node:fs/promises';
import { isIPv4, isIPv6 } from 'node:net';
import { dirname } from 'node:path';
import { IdentityError } from '../errors.ts';
import { environment } from '../runtime/environment.ts';

/** Where a Workload API listens (SPIFFE Workload Endpoint section 4). */
export type Endpoint =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/**
 * The endpoint of an explicit address, else of `SPIFFE_ENDPOINT_SOCKET`.
 *
 * @example findEndpoint('unix:///run/mayfly/workload.sock')
 */
export function findEndpoint(address: string | undefined): Endpoint {
  const found = address ?? environment.endpointSocket();
  if (found === undefined)
    throw invalid('No Workload API address: pass `address`, or set SPIFFE_ENDPOINT_SOCKET to unix:///path/to/socket.');
  return parseEndpoint(found);
}

/** An RFC 3986 URI of scheme `unix` or `tcp`, as narrow as the standard says it. */
export function parseEndpoint(address: string): Endpoint {
  const [, scheme, rest] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(address) ?? [];
  const parse = scheme?.toLowerCase() === 'unix' ? parseUnix : scheme?.toLowerCase() === 'tcp' ? parseTcp : undefined;
  if (parse === undefined || rest === undefined) throw malformed('begins with unix: or tcp:');
  if (rest.includes('?')) throw malformed('has no query');
  if (rest.includes('#')) throw malformed('has no fragment');
  const [, authority, path] = /^(?:\/\/([^/]*))?(.*)$/s.exec(rest) ?? [];
  return parse(authority, path ?? '');
}

/** The name that grpc-js resolves without DNS. */
export function grpcTarget(endpoint: Endpoint): string {
  if (endpoint.kind === 'unix') return `unix://${endpoint.path}`;
  return isIPv4(endpoint.host) ? `ipv4:${endpoint.host}:${endpoint.port}` : `ipv6:[${endpoint.host}]:${endpoint.port}`;
}

/**
 * Sentences about directories in which others could put a socket of their own, and with it roots and keys of theirs:
 * the directory is the only proof of the server that a client has. Empty when all is well.
 *
 * @example for (const warning of await endpointWarnings()) logger.warn(warning)
 */
export async function endpointWarnings(address?: string): Promise<string[]> {
  const endpoint = findEndpoint(address);
  if (endpoint.kind === 'tcp') return [];
  const warnings: string[] = [];
  const home = await realpath(dirname(endpoint.path));
  for (const directory of ancestors(home)) {
    const { mode } = await stat(directory);
    // A sticky directory keeps others from moving what is there; it does not keep them from being first.
    const sticky = directory !== home && (mode & 0o1000) !== 0;
    if ((mode & 0o022) !== 0 && !sticky)
      warnings.push(`${directory} is writable by others, who could replace the Workload API socket: chmod go-w it.`);
  }
  return warnings;
}

function parseUnix(authority: string | undefined, path: string): Endpoint {
  if (authority) throw malformed('has no authority after unix://, but a third slash: unix:///run/x.sock');
  if (!/^\/(?:[\w.~!$&'()*+,;=:@/-]|%[0-9a-f]{2})+$/i.test(path))
    throw malformed('names an absolute path in URI characters, others percent-encoded');
  return { kind: 'unix', path: decodePath(path) };
}

function parseTcp(authority: string | undefined, path: string): Endpoint {
  if (path !== '') throw malformed('has no path after tcp://address:port');
  const [, six, four, digits] = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):([0-9]{1,5})$/i.exec(authority ?? '') ?? [];
  const port = Number(digits);
  const host = six ?? four ?? '';
  if (!(six === undefined ? isIPv4(host) : isIPv6(host))) throw malformed('names an IP address and a port');
  if (port < 1 || port > 65535) throw malformed('names a port from 1 to 65535');
  return { kind: 'tcp', host, port };
}

function decodePath(path: string): string {
  try {
    const decoded = decodeURIComponent(path);
    if (!decoded.includes('\0')) return decoded;
  } catch {}
  throw malformed('names a path in UTF-8 without a NUL');
}

const ancestors = (path: string): string[] => (dirname(path) === path ? [path] : [path, ...ancestors(dirname(path))]);

// The address itself is not repeated: it may hold somebody's password.
const malformed = (rule: string): IdentityError =>
  invalid(`Not a Workload API address: it ${rule}. Use unix:///path/to/socket or tcp://127.0.0.1:port.`);

const invalid = (message: string): IdentityError => new IdentityError('invalid-argument', message);
