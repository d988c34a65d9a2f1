/**
 * Every setting, its default and its check. Options come before the file, the file before the defaults; the sockets'
 * defaults are where MAYFLY_ADMIN_SOCKET and SPIFFE_ENDPOINT_SOCKET say that clients will look.
 */
import { isIP } from 'node:net';
import type { Document } from 'yaml';
import { z } from 'zod';
import { bundleEndpoints, bundlePublish } from './config/bundles.ts';
import { duration, parsed } from './config/fields.ts';
import { checkIssuer, issuer, issuerFile, issuerListen } from './config/issuer.ts';
import { formerKeys, keys } from './config/keys.ts';
import { upstream } from './config/upstream.ts';
import { IdentityError } from './errors.ts';
import { defaultSockets } from './runtime/defaults.ts';
import { formatDuration } from './runtime/duration.ts';
import { environment } from './runtime/environment.ts';
import { readYaml } from './runtime/yaml.ts';
import { shortestTtlSeconds } from './spiffe/entry.ts';
import { TrustDomain } from './spiffe/id.ts';

const keyType = z.enum(['ec-p256', 'ec-p384', 'rsa-2048', 'rsa-4096']);

const loopback = parsed((text) => {
  const { hostname, port } = hostAndPort(text);
  const local = hostname === '::1' || hostname.startsWith('127.');
  if (!isIP(hostname) || !local) throw new TypeError('must be a loopback address and a port, as in 127.0.0.1:9090');
  return { host: hostname, port };
});

/** TCP is not offered: it says nothing of who is at the other end (Workload Endpoint section 3, EP-06). */
const socketPath = z
  .string()
  .transform((text) => text.replace(/^unix:(\/\/)?/, ''))
  .refine((path) => path.startsWith('/'), 'must be the absolute path of a Unix socket');

const shape = z.strictObject({
  trust_domain: parsed(TrustDomain.parse).optional(),
  data_dir: z.string().min(1).default('/var/lib/mayfly'),
  socket: socketPath.prefault(() => environment.endpointSocket() ?? defaultSockets.workload),
  admin_socket: socketPath.prefault(() => environment.adminSocket() ?? defaultSockets.admin),
  http: loopback.optional(),
  log_level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  x509_svid_ttl: duration(shortestTtlSeconds).default(3600),
  jwt_svid_ttl: duration(shortestTtlSeconds).default(300),
  ca_ttl: duration(10).default(86_400),
  jwt_ca_ttl: duration(10).optional(),
  ca_key_type: keyType.default('ec-p256'),
  jwt_key_type: keyType.default('ec-p256'),
  keys,
  former_keys: formerKeys,
  upstream,
  levels_below: z.number().int().min(0).max(3).default(0),
  issuer,
  issuer_listen: issuerListen,
  issuer_cert: issuerFile,
  issuer_key: issuerFile,
  issuer_x5c: z.boolean().default(false),
  bundle_poll_floor: duration(1).default(10),
  bundle_endpoints: bundleEndpoints,
  bundle_publish: bundlePublish,
  executable_hash_limit: z
    .number()
    .int()
    .min(0)
    .default(256 * 1024 * 1024),
  ledger_segment_bytes: z
    .number()
    .int()
    .min(4096)
    .default(64 * 1024 * 1024),
  user_connections: z.number().int().min(1).default(6_000),
  user_calls: z.number().int().min(1).default(12_000),
  user_bytes: z
    .number()
    .int()
    .min(1024 * 1024)
    .default(64 * 1024 * 1024),
});

const schema = shape.superRefine(checkIssuer);

/** What each setting means, in the order in which it is printed. */
const meanings: Readonly<Record<keyof Config, string>> = {
  trust_domain: 'the name to issue for; there is no default',
  data_dir: 'keys, entries and the ledger; mode 0700',
  socket: 'where workloads connect',
  admin_socket: 'where operators connect; mode 0600',
  http: 'health, readiness and metrics, on a loopback address; off when absent',
  log_level: 'debug, info, warn, error or silent',
  x509_svid_ttl: 'life of X.509-SVIDs whose entry does not say',
  jwt_svid_ttl: 'life of JWT-SVIDs whose entry does not say',
  ca_ttl: 'life of an X.509 or JWT authority',
  jwt_ca_ttl: 'life of a JWT authority; 14d with an issuer, so that relying parties see keys long before they sign',
  ca_key_type: 'ec-p256, ec-p384, rsa-2048 or rsa-4096',
  jwt_key_type: 'the same; RSA keys sign RS256',
  keys: 'where authorities have their keys, see docs/operate/keys.md',
  former_keys: 'where they had them before; those sign to the end of their turn',
  upstream: 'who signs the certificates of X.509 authorities, see docs/operate/upstream.md',
  levels_below: 'how many levels of issuers may be below this one; 0: none',
  issuer: 'the URL by which relying parties know us, see docs/operate/oidc.md; tokens have no iss when absent',
  issuer_listen: 'where discovery and keys are served; without a certificate on a loopback address, behind a proxy',
  issuer_cert: 'its certificate chain in PEM, read again when it changes',
  issuer_key: 'its key in PEM',
  issuer_x5c: 'whether keys are served with a certificate too, for relying parties that take no other (Ceph RGW)',
  bundle_endpoints: 'where other trust domains fetch our bundle, see docs/operate/federation.md',
  bundle_publish: 'where it is put besides: a file, S3, a ConfigMap of Kubernetes',
  bundle_poll_floor: 'no bundle endpoint of others is asked more often, whatever its bundle hints',
  executable_hash_limit: 'bytes; larger executables get no unix:sha256 selector',
  ledger_segment_bytes: 'size at which a ledger segment is sealed',
  user_connections: 'connections of one user of the host, at one time',
  user_calls: 'open calls of one user of the host, streams too, at one time',
  user_bytes: 'memory for requests and answers of one user of the host that are under way',
};

const durations: ReadonlySet<string> = new Set([
  'x509_svid_ttl',
  'jwt_svid_ttl',
  'ca_ttl',
  'jwt_ca_ttl',
  'bundle_poll_floor',
]);

/** All settings with all their comments are a twentieth of it. */
const longestFile = 64 * 1024;

export type Config = Readonly<z.output<typeof schema>>;

/** Options of the command line, by their long names in camel case. */
export type Flags = Readonly<Record<string, string | undefined>>;

const optionNames: Readonly<Record<string, string>> = { x509Ttl: 'x509_svid_ttl', jwtTtl: 'jwt_svid_ttl' };

/** @throws IdentityError 'invalid-argument' naming the option, or the file's line */
export function parseConfig(flags: Flags, yaml?: string): Config {
  const file = yaml === undefined ? { settings: {}, lineOf: () => undefined } : parseYaml(yaml);
  const options = Object.fromEntries(
    Object.entries(flags)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [
        optionNames[name] ?? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
        value,
      ]),
  );
  const result = schema.safeParse({ ...file.settings, ...options });
  if (result.success) return result.data;
  throw refusal(result.error.issues[0], options, file.lineOf);
}

/** The settings as YAML that `parseConfig` reads back, each with what it means. */
export function printConfig(config: Config): string {
  const lines = Object.entries(meanings).map(([name, meaning]) => {
    const value = textOf(name, config[name as keyof Config]);
    return `${value === undefined ? `# ${name}:` : `${name}: ${value}`}  # ${meaning}`;
  });
  return `${lines.join('\n')}\n`;
}

function textOf(name: string, value: Config[keyof Config]): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return durations.has(name) ? formatDuration(value) : String(value);
  if (typeof value === 'object' && !('host' in value)) return flow(value);
  if (typeof value === 'object') return `'${value.host.includes(':') ? `[${value.host}]` : value.host}:${value.port}'`;
  return /^[\w./-]+$/.test(value) ? value : JSON.stringify(value);
}

/** YAML in one line. Durations inside have one name. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const pairs = Object.entries(value).filter(([, one]) => one !== undefined);
  const texts = pairs.map(([name, one]) => `${name}: ${name === 'timeout' ? formatDuration(Number(one)) : flow(one)}`);
  return `{ ${texts.join(', ')} }`;
}

function parseYaml(text: string): { settings: object; lineOf: (key: string) => number | undefined } {
  if (text.length > longestFile)
    throw new IdentityError('invalid-argument', `the settings exceed ${longestFile} bytes`);
  const { documents, fault, lineOf } = readYaml(text);
  if (fault !== undefined) {
    throw new IdentityError('invalid-argument', `the settings are not YAML: line ${fault.line}: ${fault.message}`);
  }
  const [document, another] = documents;
  if (another !== undefined) throw new IdentityError('invalid-argument', 'the settings are more than one document');
  const settings: unknown = (document && plain(document)) ?? {};
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings)) {
    throw new IdentityError('invalid-argument', 'the settings are not a list of `name: value` lines');
  }
  return { settings, lineOf: (key) => lineOfKey(document, lineOf, key) };
}

/** Aliases have no use in a list of settings, and are how a few lines of YAML become gigabytes. */
function plain(document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    throw new IdentityError('invalid-argument', 'the settings use YAML aliases; write the values out', { cause });
  }
}

function lineOfKey(
  document: Document | undefined,
  lineOf: (offset: number) => number,
  key: string,
): number | undefined {
  const items: unknown = Reflect.get(document?.contents ?? {}, 'items');
  for (const item of Array.isArray(items) ? items : []) {
    if (item.key?.value === key && item.key.range) return lineOf(item.key.range[0]);
  }
  return undefined;
}

function refusal(
  issue: z.core.$ZodIssue | undefined,
  options: object,
  lineOf: (key: string) => number | undefined,
): IdentityError {
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const path = [...(issue?.path ?? []), ...(unknown === undefined ? [] : [unknown])].map(String);
  const [first = ''] = path;
  const line = lineOf(first);
  const name = path.join('.');
  const where = first in options ? `the option for ${name}` : line === undefined ? name : `line ${line}: ${name}`;
  const fault = unknown === undefined ? issue?.message : 'is not a setting; `mayfly config print` lists them all';
  return new IdentityError('invalid-argument', `${where}: ${fault}`);
}

function hostAndPort(text: string): { hostname: string; port: number } {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw new TypeError('must look like 127.0.0.1:9090');
  return { hostname: match[1] ?? match[2] ?? '', port };
}
