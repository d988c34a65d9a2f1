/** Google Cloud's workload identity federation: the file by which its libraries find us, and the answer of an executable. */
import { IdentityError } from '../errors.ts';
import type { Token } from './identities.ts';

/** `//iam.googleapis.com/projects/…/providers/…`: what Google calls the audience of the exchange. */
export type GcpProvider = string & { readonly gcp: 'provider' };

const providerShape =
  /^(?:(?:https:)?\/\/iam\.googleapis\.com\/)?(projects\/\d+\/locations\/global\/workloadIdentityPools\/[a-z][a-z0-9-]{2,30}[a-z0-9]\/providers\/[a-z][a-z0-9-]{2,30}[a-z0-9])$/;

export function parseProvider(text: string): GcpProvider {
  const [, name] = providerShape.exec(text) ?? [];
  if (name !== undefined) return `//iam.googleapis.com/${name}` as GcpProvider;
  const shape = 'projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER';
  throw new IdentityError('invalid-argument', `'${text}' is not a provider: write ${shape}, with the project's number`);
}

/** Who a token must be for where the provider lists no audiences of its own. */
export const audienceOf = (provider: GcpProvider): string => `https:${provider}`;

export function parseServiceAccount(text: string): string {
  if (/^[a-z0-9-]+@[a-z0-9.-]+\.gserviceaccount\.com$/.test(text)) return text;
  throw new IdentityError(
    'invalid-argument',
    `'${text}' is not a service account: write NAME@PROJECT.iam.gserviceaccount.com`,
  );
}

export type GcpSource =
  | { readonly kind: 'file'; readonly file: string }
  | { readonly kind: 'url'; readonly url: string; readonly headers: Readonly<Record<string, string>> }
  | {
      readonly kind: 'executable';
      readonly command: readonly string[];
      readonly outputFile?: string | undefined;
      readonly timeoutSeconds?: number | undefined;
    }
  | { readonly kind: 'x509'; readonly certificateConfig: string; readonly certificate: string };

export interface GcpAccount {
  readonly provider: GcpProvider;
  readonly source: GcpSource;
  readonly serviceAccount?: string | undefined;
  /** Of what the service account's token is good for. */
  readonly lifetimeSeconds?: number | undefined;
  readonly tokenUrl?: string | undefined;
  readonly universe?: string | undefined;
}

const google = 'googleapis.com';
const jwt = 'urn:ietf:params:oauth:token-type:jwt';
const mtls = 'urn:ietf:params:oauth:token-type:mtls';
export const shortestLifetimeSeconds = 600;
export const longestLifetimeSeconds = 43_200;

/** The document that GOOGLE_APPLICATION_CREDENTIALS names. Nothing in it is secret. */
export function externalAccount({ provider, source, serviceAccount, lifetimeSeconds, ...more }: GcpAccount): object {
  const universe = more.universe ?? google;
  const bound = source.kind === 'x509';
  if (serviceAccount === undefined && lifetimeSeconds !== undefined) {
    throw new IdentityError(
      'invalid-argument',
      'a lifetime is that of a service account’s token: name the service account too',
    );
  }
  return {
    type: 'external_account',
    audience: provider,
    subject_token_type: bound ? mtls : jwt,
    token_url: more.tokenUrl ?? `https://sts.${bound ? 'mtls.' : ''}${universe}/v1/token`,
    ...(universe === google ? {} : { universe_domain: universe }),
    ...(serviceAccount === undefined ? {} : impersonation(serviceAccount, universe)),
    ...(lifetimeSeconds === undefined
      ? {}
      : { service_account_impersonation: { token_lifetime_seconds: lifetimeSeconds } }),
    credential_source: sourceDocument(source),
  };
}

const impersonation = (account: string, universe: string) => ({
  service_account_impersonation_url: `https://iamcredentials.${universe}/v1/projects/-/serviceAccounts/${account}:generateAccessToken`,
});

function sourceDocument(source: GcpSource): object {
  switch (source.kind) {
    case 'file':
      return { file: source.file, format: { type: 'text' } };
    case 'url':
      return { url: source.url, headers: source.headers, format: { type: 'text' } };
    case 'executable': {
      const { command, outputFile, timeoutSeconds = 30 } = source;
      const about = { command: command.map(quoted).join(' '), timeout_millis: timeoutSeconds * 1_000 };
      return { executable: { ...about, ...(outputFile === undefined ? {} : { output_file: outputFile }) } };
    }
    case 'x509':
      return {
        certificate: { certificate_config_location: source.certificateConfig, trust_chain_path: source.certificate },
      };
  }
}

/** The libraries split at spaces, unless double quotes are around them, and know no more. */
function quoted(word: string): string {
  if (word.includes('"'))
    throw new IdentityError('invalid-argument', `the command cannot have a double quote in it: ${word}`);
  return /\s/.test(word) ? `"${word}"` : word;
}

/** Where the libraries look for the certificate and its key (`cert_configs` of gcloud). */
export const certificateConfig = (certificate: string, key: string): object => ({
  cert_configs: { workload: { cert_path: certificate, key_path: key } },
  version: 1,
});

/** What an executable prints; `jwt` or `id_token`, whichever it was asked for. */
export const executableAnswer = ({ token, expiresAt }: Token, tokenType: string = jwt) => ({
  version: 1,
  success: true,
  token_type: tokenType,
  id_token: token,
  expiration_time: Math.floor(expiresAt / 1_000),
});

export const executableFailure = (code: string, message: string) => ({ version: 1, success: false, code, message });

export function checkTokenType(tokenType: string): string {
  if ([jwt, 'urn:ietf:params:oauth:token-type:id_token'].includes(tokenType)) return tokenType;
  throw new IdentityError('invalid-argument', `a token of type ${tokenType} is asked for; we have ${jwt}`);
}
