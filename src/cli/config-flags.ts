import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { Config } from '../config.ts';
import { IdentityError } from '../errors.ts';
import { storageError } from '../runtime/files.ts';

/** Settings on the command line, as they were written: src/config.ts says what they mean. */
export interface ConfigFlags {
  readonly trustDomain?: string;
  readonly dataDir?: string;
  readonly socket?: string;
  readonly adminSocket?: string;
  readonly http?: string;
  readonly config?: string;
  readonly logLevel?: string;
  readonly x509Ttl?: string;
  readonly jwtTtl?: string;
  readonly caTtl?: string;
  readonly issuer?: string;
  readonly issuerListen?: string;
  readonly issuerCert?: string;
  readonly issuerKey?: string;
}

export const configFlags = (command: Command): Command =>
  command
    .option('--trust-domain <name>', 'the trust domain to issue for, such as example.org')
    .option('--data-dir <directory>', 'where keys, entries and the ledger lie')
    .option('--socket <path>', 'where workloads connect')
    .option('--admin-socket <path>', 'where operators connect')
    .option('--http <address:port>', 'health, readiness and metrics; a loopback address')
    .option('--config <file>', 'settings in YAML; options on the command line come before them')
    .addOption(
      new Option('--log-level <level>', 'how much is told').choices(['debug', 'info', 'warn', 'error', 'silent']),
    )
    .option('--x509-ttl <duration>', 'life of X.509-SVIDs whose entry does not say')
    .option('--jwt-ttl <duration>', 'life of JWT-SVIDs whose entry does not say')
    .option('--ca-ttl <duration>', 'life of an authority')
    .option('--issuer <url>', 'the https URL by which clouds know us: iss of tokens, discovery and keys')
    .option('--issuer-listen <address:port>', 'where discovery and keys are served')
    .option('--issuer-cert <file>', 'its certificate chain in PEM; without, a loopback address behind a proxy')
    .option('--issuer-key <file>', 'the key of that certificate in PEM');

/** Options before file before defaults. Paths on the command line are relative to where it was typed. */
export async function loadConfig({
  json: _,
  config: file,
  ...flags
}: ConfigFlags & { json?: boolean }): Promise<Config> {
  const { parseConfig } = await import('../config.ts');
  const { socket, adminSocket, dataDir, issuerCert, issuerKey } = flags;
  const settings = {
    ...flags,
    socket: absolute(socket),
    adminSocket: absolute(adminSocket),
    dataDir: absolute(dataDir),
    issuerCert: absolute(issuerCert),
    issuerKey: absolute(issuerKey),
  };
  if (file === undefined) return parseConfig(settings);
  const text = await textOf(file);
  try {
    return parseConfig(settings, text);
  } catch (error) {
    throw inFile(file, error);
  }
}

/** A URI is left as it is: the settings say which they take. */
const absolute = (path: string | undefined): string | undefined =>
  path === undefined || /^[a-z]+:/.test(path) ? path : resolve(path);

function inFile(file: string, error: unknown): unknown {
  const [, line, fault] = /^line (\d+): (.*)$/s.exec(error instanceof IdentityError ? error.message : '') ?? [];
  if (line === undefined) return error;
  return new IdentityError('invalid-argument', `${file}:${line}: ${fault}`, { cause: error });
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw storageError(error, `cannot read the settings in ${file}`);
  }
}
